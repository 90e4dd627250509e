"""The texts that the word directions are fitted to: words, WordNet's own words about them, and sentences made
of topics. No text comes from a data set that the planner is measured on."""

import hashlib
import random
import re

WORDNET_FILES = ("data.noun", "data.verb", "data.adj", "data.adv")
GLOSSES_MAX = 10_000
EXAMPLES_MAX = 4_000
GLOSS_CHARS_MAX = 80
# Longer texts take longer to encode than they teach.
OTHER_CHARS_MAX = 57
TOPIC_SENTENCES = 20_000
KIND_SENTENCES = 6_000
PACKAGES_MAX = 8_000
ONE_TOPIC = 0.65
TWO_SENTENCES = 0.15
PARTS_OF_PROGRAMS = re.compile(
    "librar|transitional|files|header|binding|module|documentation|debug|dummy|package|development|haskell|perl"
    "|ruby|node|golang|plugin|runtime|shared",
    re.IGNORECASE,
)

VERBS = (
    "find create recommend suggest explain analyze improve generate summarize translate design build fix check "
    "compare buy book plan write edit convert calculate search show schedule track optimize debug review test "
    "deploy migrate refactor document learn play watch read export import share visualize monitor"
).split()
ADJECTIVES = (
    "detailed comprehensive new latest popular cheap good simple personalized slow reliable free quick "
    "interesting specific visual professional complex secure local online"
).split()
SENTENCE_FORMS = (
    "Can you help me {verb} {a}?",
    "I need to {verb} {a} for my {b}.",
    "Please {verb} a {adjective} {a} about {b}.",
    "I'm looking for {adjective} {a} with {b}.",
    "What is the best {a} for {b}?",
    "How do I {verb} my {a}?",
    "Could you provide me with a {adjective} list of {a} and {b}?",
    "We have a problem with {a}: the {b} is {adjective}.",
    "A tool that can {verb} {a} and {b}.",
    "{verb} {a} from {b}",
    "Our {a} is too {adjective}, can we {verb} the {b}?",
    "Where can I find {a} in {b}?",
    "I'm interested in {a}, especially {b}. Can you {verb} it?",
    "Use this agent to {verb} {a} and {b}.",
    "Expert in {a}, {b} and {c}.",
    "Discover {adjective} {a}, {b} and {c}.",
    "Give me some information about {a} and {c}.",
    "{a} {b} {c}",
    "{a} {b}",
)


def split(text):
    return re.findall("[a-z]+", text.lower().replace("'", ""))


def topics(path):
    """The phrases of each topic."""
    listed = []
    for line in path.read_text(encoding="utf-8").splitlines():
        name, colon, words = line.partition(":")
        if colon and not name.startswith("#"):
            listed.append([word.replace("_", " ") for word in words.split()])
    return listed


def synsets(folder):
    """Lemmas, definition and examples of every meaning."""
    for name in WORDNET_FILES:
        with open(folder / name, encoding="utf-8") as file:
            for line in file:
                if line.startswith("  "):
                    continue
                data, _, gloss = line.partition("|")
                fields = data.split()
                lemmas = [fields[4 + 2 * at] for at in range(int(fields[3], 16))]
                lemmas = [re.sub(r"\(.*\)", "", lemma).replace("_", " ") for lemma in lemmas]
                examples = re.findall(r'"([^"]+)"', gloss)
                definition = re.sub(r';?\s*"[^"]*"', "", gloss).strip(" ;\n")
                yield lemmas, definition, examples


def some(texts, count):
    """So many of them, chosen by what they say and not by where they stand."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())[:count]


def of_wordnet(folder, known):
    """What WordNet says of words that are known."""
    glosses, examples = [], []
    for lemmas, definition, shown in synsets(folder):
        said = split(lemmas[0])
        if not said or any(word not in known for word in said):
            continue
        glosses.append(f"{', '.join(lemmas[:3])}: {definition}")
        examples += shown
    short = [[text for text in part if 20 <= len(text) <= GLOSS_CHARS_MAX] for part in (glosses, examples)]
    return some(short[0], GLOSSES_MAX) + some(short[1], EXAMPLES_MAX)


def sentence(one, other, chance):
    return chance.choice(SENTENCE_FORMS).format(
        verb=chance.choice(VERBS),
        adjective=chance.choice(ADJECTIVES),
        a=chance.choice(one),
        b=chance.choice(other),
        c=chance.choice(one),
    )


def of_lists(listed, count, chance):
    """Sentences as people and authors of agents write them, each about one list of words or two."""
    made = []
    for _ in range(count):
        one = chance.choice(listed)
        other = one if chance.random() < ONE_TOPIC else chance.choice(listed)
        text = sentence(one, other, chance)
        if chance.random() < TWO_SENTENCES:
            text = f"{text} {sentence(one, one, chance)}"
        made.append(text)
    return made


def kinds(folder, known):
    """Nouns that are kinds of the same thing."""
    siblings = {}
    with open(folder / "data.noun", encoding="utf-8") as file:
        for line in file:
            fields = line.partition("|")[0].split()
            lemma = fields[4].replace("_", " ") if len(fields) > 4 and not line.startswith("  ") else ""
            if "@" in fields and lemma and all(word in known for word in split(lemma)):
                siblings.setdefault(fields[fields.index("@") + 1], []).append(lemma)
    return [lemmas for _, lemmas in sorted(siblings.items()) if len(lemmas) >= 3]


def of_packages(dump):
    """One line about each package of a Debian system, which says what a tool is for."""
    said = re.findall("^Description(?:-en)?: (.{25,120})$", dump, re.MULTILINE)
    return some([line for line in said if not PARTS_OF_PROGRAMS.search(line)], PACKAGES_MAX)


def own_words(encoder):
    """Whole words of the encoder's own vocabulary."""
    words = (encoder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return {word for word in words if re.fullmatch("[a-z]{2,}", word)}


def vocabulary(encoder, topic_path):
    """The words of the encoder, and all words of the topics."""
    words = own_words(encoder)
    for listed in topics(topic_path):
        words.update(word for phrase in listed for word in split(phrase) if len(word) > 1)
    return sorted(words)


def everything(wordnet, packages, topic_path, encoder):
    """All texts, each once, in an order that is always the same."""
    known = own_words(encoder)
    others = of_wordnet(wordnet, known)
    others += of_lists(kinds(wordnet, known), KIND_SENTENCES, random.Random(13))
    others += of_packages(packages.read_text(encoding="utf-8", errors="replace"))
    said = of_lists(topics(topic_path), TOPIC_SENTENCES, random.Random(11))
    said += [text for text in others if len(text) <= OTHER_CHARS_MAX]
    return sorted(set(said) - set(vocabulary(encoder, topic_path)))
