"""Runs `baton plan --batch` over every file of a folder, scores it with the scorer that stands beside
the file, and writes a table. Called by measure.sh."""

import collections
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TARGETS = {
    "requests": "perfect 80, precede 90, parallel 85, forbid 100, verdict 95, p95 20 ms",
    "seal_tools": "f1_chain 88, f1_graph 72",
    "function calls together": "f1_chain 70, f1_graph 56",
    "similar": "CSR 75",
    "multi": "CSR 80",
    "reliable": "CSR 60",
    "similar, remembered": "CSR 82",
    "agents": "top-1 80, top-3 92, precision 90 at coverage 65",
}
FUNCTION_CALLS = ("toolalpaca", "toolbench")
# So many outcomes of each tool are remembered at the most, and a request never sees those of its own part.
OUTCOMES_MAX = 20
PARTS = 20
# An answer of which the planner is this sure is one that it vouches for.
SURE = 0.5


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def first_of(path):
    """The first line; nothing where the file is of another kind."""
    try:
        return next(iter(lines(path)), {})
    except json.JSONDecodeError:
        return {}


def planned(baton, source, directory, *options):
    """One answer a line, as baton gives it."""
    target = pathlib.Path(directory) / "answers.jsonl"
    environment = {**os.environ, "HOME": str(directory)}
    with open(target, "wb") as out:
        command = [baton, "plan", "--batch", str(source), *map(str, options)]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, cwd=directory, env=environment)
    if done.returncode not in (0, 65):
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return target, lines(target)


def p95_ms(answers):
    spent = sorted(answer["ms"] for answer in answers if "ms" in answer)
    return round(spent[int(0.95 * len(spent))], 2) if spent else None


def scored(scorer, *arguments):
    done = subprocess.run(
        [sys.executable, str(scorer), *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[0])


def ranked(answer):
    return [agent["name"] for agent in answer.get("agents", [])]


def requests(baton, source, scorer, directory):
    target, answers = planned(baton, source, directory)
    score = scored(scorer, source, target)
    score["p95_ms"] = p95_ms(answers)
    return score


def graphs(baton, source, scorer, directory):
    target, answers = planned(baton, source, directory)
    score = scored(scorer, source, target, "mpnet")
    score["p95_ms"] = p95_ms(answers)
    return score


def tools(baton, source, scorer, directory):
    registry = scorer.parent / "tools.json"
    _, answers = planned(baton, source, directory, "--registry", registry)
    return ranking_score(scorer, source, answers, directory)


def part_of(text):
    """Which part a request is in; the same text is always in the same one."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % PARTS


def remembered(baton, source, scorer, directory):
    """Each part of the requests, with outcomes of the others in the same folder remembered."""
    known = sorted(
        {
            (hashlib.sha256(row["query"].encode()).hexdigest(), row["query"], tool)
            for path in source.parent.glob("*.jsonl")
            for row in lines(path)
            for tool in row.get("gold", [])
        }
    )
    rows, answers = lines(source), []
    memory, part = pathlib.Path(directory) / "memory.jsonl", pathlib.Path(directory) / "part.jsonl"
    outcomes, tools_known = 0, len({tool for row in rows for tool in row["gold"]})
    for number in range(PARTS):
        mine = [row for row in rows if part_of(row["query"]) == number]
        if not mine:
            continue
        counts, kept = collections.Counter(), []
        for _, query, tool in known:
            if part_of(query) != number and counts[tool] < OUTCOMES_MAX:
                counts[tool] += 1
                kept.append({"request": query, "agent": tool, "outcome": "success"})
        memory.write_text("".join(json.dumps(one) + "\n" for one in kept), encoding="utf-8")
        part.write_text("".join(json.dumps(row) + "\n" for row in mine), encoding="utf-8")
        registry = scorer.parent / "tools.json"
        _, some = planned(baton, part, directory, "--registry", registry, "--memory", memory)
        answers += some
        outcomes += len(mine) * sum(counts[tool] for tool in {t for row in rows for t in row["gold"]})
    score = ranking_score(scorer, source, answers, directory)
    score["outcomes_a_tool"] = round(outcomes / len(rows) / tools_known, 1)
    return score


def ranking_score(scorer, source, answers, directory):
    target = pathlib.Path(directory) / "ranked.jsonl"
    with open(target, "w", encoding="utf-8") as out:
        for answer in answers:
            out.write(json.dumps({"id": answer["id"], "ranked": ranked(answer)}) + "\n")
    score = scored(scorer, source, target)
    score["p95_ms"] = p95_ms(answers)
    return score


def agents(baton, source, directory):
    """Pairs of request and acceptable agents, each with the registry that it is about."""
    rows, top_1, top_3, answers = lines(source), 0, 0, []
    sure, right = 0, 0
    for registry in sorted({row["registry"] for row in rows}):
        mine = [row for row in rows if row["registry"] == registry]
        part = pathlib.Path(directory) / "part.jsonl"
        part.write_text("".join(json.dumps(row) + "\n" for row in mine), encoding="utf-8")
        _, some = planned(baton, part, directory, "--registry", source.parent / registry)
        answers += some
        for row, answer in zip(mine, some):
            acceptable = set(row.get("acceptable") or [row["agent"]])
            best = ranked(answer)
            top_1 += bool(set(best[:1]) & acceptable)
            top_3 += bool(set(best[:3]) & acceptable)
            if answer["selection"]["confidence"] >= SURE:
                sure += 1
                right += bool(set(best[:1]) & acceptable)
    count = len(rows)
    return {
        "n": count,
        "top1": round(100 * top_1 / count, 2),
        "top3": round(100 * top_3 / count, 2),
        "precision": round(100 * right / max(1, sure), 2),
        "coverage": round(100 * sure / count, 2),
        "p95_ms": p95_ms(answers),
    }


def measure(baton, data):
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        for source in sorted(data.rglob("*.jsonl")):
            scorer = next(source.parent.glob("score_*.py"), None)
            names = {path.name for path in source.parent.glob("score_*.py")}
            first = first_of(source)
            if "score_requests.py" in names and "expect" in first:
                score = requests(baton, source, source.parent / "score_requests.py", directory)
            elif "score_worf.py" in names and "gold_nodes" in first:
                score = graphs(baton, source, source.parent / "score_worf.py", directory)
            elif "score_selection.py" in names and "gold" in first:
                score = tools(baton, source, source.parent / "score_selection.py", directory)
            elif scorer is None and "registry" in first and "agent" in first:
                score = agents(baton, source, directory)
            else:
                continue
            name = str(source.relative_to(data))
            found[name] = score
            print(name, json.dumps(score), flush=True)
            if "score_selection.py" in names and any(row.get("gold") for row in lines(source)):
                name = f"{name}, remembered"
                found[name] = remembered(baton, source, source.parent / "score_selection.py", directory)
                print(name, json.dumps(found[name]), flush=True)
    return found


def together(found):
    """The splits of function calls count as one, each request alike."""
    parts = [score for name, score in found.items() if pathlib.Path(name).stem in FUNCTION_CALLS]
    count = sum(score["n"] for score in parts)
    if not count:
        return {}
    keys = [key for key in parts[0] if key not in ("n", "p95_ms")]
    mean = {key: round(sum(s[key] * s["n"] for s in parts) / count, 2) for key in keys}
    return {"n": count, **mean, "p95_ms": max(score["p95_ms"] for score in parts)}


def table(found):
    rows = dict(found)
    both = together(found)
    if both:
        rows["function calls together"] = both
    text = [
        "# How good the planner is",
        "",
        "Written by `benches/planner/measure.sh DATA`, which plans every request of a folder of real data",
        "with `baton plan --batch` and scores the answers with the scorers of that folder. All figures are",
        "percent, except `n` (requests) and `p95_ms` (milliseconds for one request). `f1_graph_off` is the",
        "published measure. No model and no network is used. `remembered`: up to 20 outcomes of each tool are",
        "remembered from other requests of the same folder, `outcomes_a_tool` on average. `precision` and",
        "`coverage` are of the answers with a confidence of 0.5 and more. `benches/planner/once.py` says how to bound",
        "what a figure owes to requests that were seen when the topics were written.",
        "",
        "| data | figures | target, at least |",
        "| --- | --- | --- |",
    ]
    for name, score in rows.items():
        stem = pathlib.Path(name).name.replace(".jsonl", "")
        figures = ", ".join(f"{key} {value}" for key, value in score.items() if value is not None)
        target = TARGETS.get(stem) or TARGETS.get(name) or TARGETS.get(name.split("/")[0], "")
        text.append(f"| {name} | {figures} | {target} |")
    return "\n".join(text) + "\n"


def main():
    data, baton, target = sys.argv[1:]
    found = measure(str(pathlib.Path(baton).resolve()), pathlib.Path(data))
    pathlib.Path(target).write_text(table(found), encoding="utf-8")
    print(f"written: {target}")


if __name__ == "__main__":
    main()
