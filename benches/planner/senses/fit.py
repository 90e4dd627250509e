"""Fits one direction for each word, so that the sum of a text's words points where the sentence encoder puts the
text, and writes them as the table that Baton reads."""

import collections
import random

import numpy
import torch

DIMENSIONS = 128
EPOCHS = 8
BATCH = 512
RATE = 3e-3
# How much single words, and how much the angles between texts, count beside the texts themselves.
WORDS, ANGLES = 0.3, 2.0
# A word that makes up this part of all text starts with half the length of a rare one.
COMMON = 1e-3


def targets(rows, word_rows):
    """The directions of texts and words in as few dimensions as the table has."""
    everything = numpy.concatenate([rows, word_rows]).astype(numpy.float32)
    mean = everything.mean(0)
    some = numpy.random.RandomState(0).permutation(len(everything))[:30_000]
    _, _, axes = numpy.linalg.svd(everything[some] - mean, full_matrices=False)
    axes = axes[:DIMENSIONS].T
    return (rows - mean) @ axes, (word_rows - mean) @ axes


def fitted(split, texts, rows, words, word_rows, threads):
    """One row for each word."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    chance = random.Random(0)
    place = {word: at for at, word in enumerate(words)}
    spoken = [[place[word] for word in split(text) if word in place] for text in texts]
    counts = collections.Counter(at for said in spoken for at in said)
    total = sum(counts.values())
    text_targets, word_targets = (torch.tensor(part.astype(numpy.float32)) for part in targets(rows, word_rows))
    part = torch.tensor([counts[at] / total for at in range(len(words))])
    table = torch.nn.EmbeddingBag(len(words), DIMENSIONS, mode="sum")
    with torch.no_grad():
        start = COMMON / (COMMON + part)
        table.weight.copy_(torch.nn.functional.normalize(word_targets, dim=1) * start[:, None])
    kept = [at for at, said in enumerate(spoken) if said]
    optimizer = torch.optim.Adam(table.parameters(), lr=RATE)
    steps = EPOCHS * (len(kept) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.02, 1 - step / steps))
    cosine = torch.nn.functional.cosine_similarity
    for epoch in range(EPOCHS):
        chance.shuffle(kept)
        lost, batches = 0.0, 0
        for begin in range(0, len(kept), BATCH):
            chosen = kept[begin : begin + BATCH]
            flat = torch.tensor([at for text in chosen for at in spoken[text]])
            starts = torch.tensor(numpy.cumsum([0] + [len(spoken[text]) for text in chosen[:-1]]))
            found, wanted = table(flat, starts), text_targets[chosen]
            loss = (1 - cosine(found, wanted)).mean()
            one, other = (torch.nn.functional.normalize(rows, dim=1) for rows in (found, wanted))
            angles = ((one @ one.T - other @ other.T) ** 2).mean()
            some = torch.randint(0, len(words), (BATCH,))
            alone = (1 - cosine(table.weight[some], word_targets[some])).mean()
            optimizer.zero_grad()
            (loss + WORDS * alone + ANGLES * angles).backward()
            optimizer.step()
            schedule.step()
            lost, batches = lost + loss.item(), batches + 1
        print(f"epoch {epoch}: {lost / batches:.4f} from the encoder", flush=True)
    return table.weight.detach().numpy()


def packed(rows):
    """One byte for the root of a row's length, then two numbers a byte, 8 for 0."""
    lengths = numpy.linalg.norm(rows, axis=1)
    lengths = numpy.sqrt(lengths / lengths.max())
    # Of the four bits each row uses as much as it can without cutting off more than a few.
    scale = 7 / numpy.quantile(numpy.abs(rows / numpy.linalg.norm(rows, axis=1, keepdims=True)), 0.995)
    unit = rows / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    parts = numpy.clip(numpy.round(unit * scale) + 8, 1, 15).astype(numpy.uint8)
    pairs = (parts[:, 0::2] << 4) | parts[:, 1::2]
    first = numpy.maximum(1, numpy.round(lengths * 255)).astype(numpy.uint8)[:, None]
    return numpy.concatenate([first, pairs], axis=1).tobytes()
