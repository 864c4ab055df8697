"""What a name says: its words, the entity a table is about, and how much two names are alike."""

from __future__ import annotations

import re
from functools import lru_cache


def vocabulary(text: str) -> frozenset[str]:
    """Words for a table of words."""
    return frozenset(text.split())


KEY_WORDS = vocabulary(
    """
    id ids key code cd no num number nr nummer ref fk pk sk bk uid uuid guid identifier pkey fkey
    """
)
"""Words that mark a column as a key or a reference."""
ID_WORDS = vocabulary("id ids uid uuid guid fk pk sk key pkey fkey identifier")
TABLE_NOISE = vocabulary("tbl tb table dim fact fct stg raw vw mst master lkp lookup d t f v")
SELF_ROLES = vocabulary(
    """
    parent manager supervisor boss reports reply replied root ancestor predecessor successor prev
    previous next superseded supersedes duplicate original mentor referrer referred accepted linked
    related merged replaces replaced eltern vorgesetzter vorgaenger nachfolger padre
    """
)
"""Words by which a row points at another row of its own table."""
PEOPLE = vocabulary("user person people employee member staff contact operator")
PERSON_ROLES = vocabulary(
    """
    by author owner creator assignee assigned reporter reviewer approver editor sender recipient receiver
    requester requestor submitter uploader moderator buyer seller
    """
)
"""Words by which a column means a person, whatever the table of people is called."""
FREE_TEXT = vocabulary(
    """
    name title text description desc descr comment comments body note notes remark remarks content
    message url link address email mail label short long summary subject bezeichnung beschreibung
    bemerkung
    """
)
_GLUED = ("identifier", "number", "code", "uuid", "guid", "key", "id", "no", "nr", "cd")
_SPLIT = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+", re.UNICODE)


@lru_cache(maxsize=10_000)
def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    >>> words("ownerUserID"), words("team1_id"), words("Invoice No")
    (('owner', 'user', 'id'), ('team', '1', 'id'), ('invoice', 'no'))
    """
    found = tuple(w.lower() for w in _SPLIT.findall(name))
    return found or (name.strip().lower(),)


@lru_cache(maxsize=10_000)
def singular(word: str) -> str:
    """A rough English singular.

    >>> [singular(w) for w in ("customers", "categories", "matches", "status", "address")]
    ['customer', 'category', 'match', 'status', 'address']
    """
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=10_000)
def entity(table: str) -> tuple[str, ...]:
    """The thing one row of a table is, as singular words.

    >>> entity("dim_customers"), entity("OrderItems"), entity("sales.order_lines")
    (('customer',), ('order', 'item'), ('order', 'line'))
    """
    found = [w for w in words(table.rsplit(".", 1)[-1]) if not w.isdigit()] or list(words(table))
    while len(found) > 1 and found[0] in TABLE_NOISE:
        found = found[1:]
    while len(found) > 1 and found[-1] in TABLE_NOISE:
        found = found[:-1]
    return tuple(singular(w) for w in found)


@lru_cache(maxsize=10_000)
def stem(column: str) -> tuple[str, ...]:
    """A column's words without digits and without the words that only mark a key.

    >>> stem("owner_user_id"), stem("team1_id"), stem("o_custkey"), stem("id")
    (('owner', 'user'), ('team',), ('o', 'cust'), ())
    """
    found = [w for w in words(column) if not w.isdigit()]
    while found and (found[-1] in KEY_WORDS):
        found = found[:-1]
    while len(found) > 1 and found[0] in ("fk", "pk", "id"):
        found = found[1:]
    if found:
        for tail in _GLUED:
            if found[-1].endswith(tail) and len(found[-1]) - len(tail) >= 2:
                found[-1] = found[-1][: -len(tail)]
                break
    return tuple(singular(w) for w in found)


def says_key(column: str) -> bool:
    """Whether the name itself claims to be a key or a reference.

    >>> says_key("customer_id"), says_key("itemid"), says_key("quantity"), says_key("paid")
    (True, True, False, False)
    """
    last = [w for w in words(column) if not w.isdigit()][-1:]
    if not last:
        return False
    if last[0] in ID_WORDS or words(column)[0] in ("id", "fk"):
        return True
    glued = re.fullmatch(r"(.{2,})(id|key|uuid|guid)", last[0])
    return bool(glued) and last[0] not in _NOT_KEYS


_NOT_KEYS = vocabulary(
    """
    paid valid invalid grid bid void solid rapid hybrid fluid liquid covid prepaid unpaid humid aid kid
    mid lid avoid acid android monkey turkey hockey whiskey jockey steroid amid rigid liquid candid
    morbid postpaid
    """
)


def alike(one: str, other: str) -> float:
    """How surely two words mean the same thing, 0..1.

    >>> alike("customer", "customer"), alike("cust", "customer"), alike("kunde", "kunden"), alike("a", "b")
    (1.0, 0.75, 0.9, 0.0)
    """
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if long.startswith(short) and len(short) >= 3:
        if len(short) >= 4 and len(long) - len(short) <= 2:
            return 0.9
        return 0.75
    if len(short) >= 4 and short[0] == long[0] and _is_squeezed(short, long):
        return 0.6
    return 0.0


def _is_squeezed(short: str, long: str) -> bool:
    """'dept' is 'department' with letters left out, its consonants kept in order."""
    rest = iter(long)
    return all(c in rest for c in short) and not set(short[1:]) & set("aiou")


def alike_words(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """How surely two phrases name the same thing: word by word, or as one glued word."""
    if not one or not other:
        return 0.0
    if len(one) == len(other):
        return min(alike(a, b) for a, b in zip(one, other))
    return 1.0 if "".join(one) == "".join(other) else 0.0


def initials(phrase: tuple[str, ...]) -> str:
    return "".join(w[0] for w in phrase)


def shared_prefix(columns: tuple[str, ...]) -> str:
    """The short prefix that all of a table's columns carry ('l_' in TPC-H), or ''.

    >>> shared_prefix(("l_orderkey", "l_partkey", "l_tax"))
    'l_'
    >>> shared_prefix(("order_id", "order_date", "amount"))
    ''
    """
    if len(columns) < 3:
        return ""
    first = columns[0].split("_")[0]
    if len(first) > 4 or first == columns[0]:
        return ""
    return first + "_" if all(c.startswith(first + "_") for c in columns) else ""
