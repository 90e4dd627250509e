"""Makes the table of word directions. Called by build.sh, which says what it is made from."""

import argparse
import os
import pathlib

import numpy

import encode
import fit
import texts


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("encoder", "wordnet", "packages", "kept", "select"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    return parser.parse_args()


def main():
    asked = arguments()
    words = texts.vocabulary(asked.encoder, asked.select / "topics.txt")
    said = texts.everything(asked.wordnet, asked.packages, asked.select / "topics.txt", asked.encoder)
    rows = encode.encoded(asked.encoder, asked.kept, words + said, asked.threads).astype(numpy.float32)
    word_rows, rows = rows[: len(words)], rows[len(words) :]
    table = fit.fitted(texts.split, said, rows, words, word_rows, asked.threads)
    (asked.select / "senses.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    (asked.select / "senses.bin").write_bytes(fit.packed(table))
    print(f"{len(words)} words fitted to {len(said)} texts")


if __name__ == "__main__":
    main()
