"""Writes the topics without every word and phrase that only one request of a folder of data has.

usage: once.py DATA TOPICS OUT

What a lexicon gains from the requests that it is measured on, it gains by such words: build with OUT in place of
TOPICS, measure again, and the difference is the most that the figures can owe to having been seen. Words that
anybody would have listed go, too, so that the truth is in between."""

import json
import pathlib
import re
import sys


def phrase(text):
    return " ".join(re.findall(r"[a-z0-9+#]+", text.lower().replace("'", "").replace("_", " ")))


def requests(data):
    texts = set()
    for path in sorted(data.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            text = (row.get("query") or row.get("request")) if isinstance(row, dict) else None
            if isinstance(text, str):
                texts.add(f" {phrase(text)} ")
    return texts


def main():
    data, topics, out = map(pathlib.Path, sys.argv[1:])
    texts = requests(data)
    lines, left_out = [], 0
    for line in topics.read_text(encoding="utf-8").splitlines():
        name, colon, words = line.partition(":")
        if not colon or line.startswith("#"):
            lines.append(line)
            continue
        kept = []
        for word in words.split():
            said = f" {phrase(word)} "
            if sum(said in text for text in texts) == 1:
                left_out += 1
            else:
                kept.append(word)
        lines.append(f"{name}: {' '.join(kept or words.split()[:1])}")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{left_out} words and phrases left out")


if __name__ == "__main__":
    main()
