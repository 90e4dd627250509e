"""Where the sentence encoder puts texts; what is done already is kept in a folder."""

import numpy
import torch
from sentence_transformers import SentenceTransformer

CHUNK = 512


def kept_rows(kept):
    """What was encoded before, by text."""
    rows = {}
    for path in sorted(kept.glob("*.npz")):
        with numpy.load(path) as done:
            rows.update(zip(done["texts"].tolist(), done["rows"]))
    return rows


def encoded(encoder, kept, texts, threads):
    """One row for each text, of length 1."""
    torch.set_num_threads(threads)
    kept.mkdir(parents=True, exist_ok=True)
    rows = kept_rows(kept)
    missing = sorted({text for text in texts if text not in rows}, key=lambda text: (len(text), text))
    if missing:
        model = SentenceTransformer(str(encoder)).bfloat16()
        model.max_seq_length = 64
    for start in range(0, len(missing), CHUNK):
        chunk = missing[start : start + CHUNK]
        found = model.encode(
            chunk, batch_size=64, normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True
        )
        found = found.float().numpy().astype(numpy.float16)
        number = len(list(kept.glob("*.npz")))
        numpy.savez(kept / f"{number:05}.npz", texts=numpy.array(chunk), rows=found)
        rows.update(zip(chunk, found))
        print(f"encoded {start + len(chunk)} of {len(missing)}", flush=True)
    return numpy.stack([rows[text] for text in texts])
