"""Checks a proof file of a Rightsized log: python verify_proof.py PROOF.json VERIFIER_KEY

Needs Python 3.8 and `cryptography`. VERIFIER_KEY: a public key of the log, got from its owner by another way than the
proof file. Exit status 0: the proof holds. After RFC 9162, RFC 8032 and c2sp.org/tlog-checkpoint.
"""

import base64
import functools
import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

unbase64 = functools.partial(base64.b64decode, validate=True)


def need(holds, words):
    if not holds:
        raise ValueError(words)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def climb(at, last, old, new, path):  # RFC 9162, 2.1.3.2 and 2.1.4.2: the roots that a proof leads to from node `at`
    for step in path:
        need(last and len(step) == 32, "a proof is too long")
        if at & 1 or at == last:
            old, new = sha(b"\1", step, old), sha(b"\1", step, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = sha(b"\1", new, step)
        at, last = at >> 1, last >> 1
    need(not last, "a proof is too short")
    return old, new


def roots_of(old_size, new_size, old_root, path):
    need(0 < old_size <= new_size, "the older checkpoint is empty or the larger one")
    at, last = old_size - 1, new_size - 1
    while at & 1 or (at == last and at):
        at, last = at >> 1, last >> 1
    return climb(at, last, *[path.pop(0) if at else old_root] * 2, path)


def public(vkey):
    name, key_id, raw = vkey.strip().split("+", 2)
    raw, key_id = unbase64(raw), bytes.fromhex(key_id)
    need(raw[0] == 1 and sha(name.encode(), b"\n", raw)[:4] == key_id, "a verifier key is mistyped")
    return name, key_id, Ed25519PublicKey.from_public_bytes(raw[1:])


def check_signed(note, vkey):  # gives the lines of the note's text, once the key is found to have signed it
    (text, _, lines), (name, key_id, key), signed = note.rpartition("\n\n"), public(vkey), False
    for line in lines.splitlines():
        dash, by, made = line.split(" ")
        if (dash, by, unbase64(made)[:4]) == ("\u2014", name, key_id):
            key.verify(unbase64(made)[4:], (text + "\n").encode())  # raises where it is wrong
            signed = True
    need(signed, "a checkpoint or a change of keys is not signed by " + vkey)
    return text.split("\n")


def check(proof, trusted):
    what = {"inclusion": proof["entries"], "consistency": proof["older"]}.get(proof["kind"])
    need(proof["format"] == "rightsized-proof/v1" and what, "this is another kind of file, or proves nothing")
    origin, size, root = proof["checkpoint"].split("\n")[:3]
    size, root, key, keys = int(size), unbase64(root), proof["key"], [(0, proof["key"])]
    for entry in proof["handovers"] + proof["entries"]:
        number, path = entry["seq"].to_bytes(8, "big"), [unbase64(step) for step in entry["path"]]
        leaf = sha(b"\0", entry["table"].encode(), b"\0", number, entry["record"].encode())
        inside = 0 < entry["seq"] <= size and climb(entry["seq"] - 1, size - 1, leaf, leaf, path)[1] == root
        need(inside, f"entry {entry['seq']} is not in the log, or was altered")
    for entry in proof["handovers"]:
        said, where, key = check_signed(json.loads(entry["record"])["detail"], key)[:3]
        keys.append((entry["seq"], key))
        need((said, where) == ("rightsized log key v1", origin), "a change of keys is another")
    need(trusted.strip() in [k for _, k in keys], "the log's keys are not the one that you trust")
    need(check_signed(proof["checkpoint"], key)[0] == public(key)[0], "the checkpoint is of another log")
    if proof["kind"] == "consistency":
        signers = [k for since, k in keys if since <= int(proof["older"].split("\n")[1])]
        older, path = check_signed(proof["older"], signers[-1]), [unbase64(step) for step in proof["consistency"]]
        found, wanted = roots_of(int(older[1]), size, unbase64(older[2]), path), (unbase64(older[2]), root)
        need(older[0] == origin and found == wanted, "the log did not begin as the older checkpoint")
    key = bytes.fromhex(proof.get("text_key", ""))  # of a person's texts, which are recorded by a keyed digest
    for digest, text in proof["texts"].items():
        made = hmac.new(key, text.encode(), "sha256").hexdigest() if len(key) == 32 else sha(text.encode()).hex()
        need(digest.endswith(made) and any(digest in e["record"] for e in proof["entries"]), "a text is another")


if __name__ == "__main__":
    try:
        check(json.load(open(sys.argv[1], encoding="utf-8")), sys.argv[2])  # noqa: SIM115, PTH123 - read once
    except Exception as error:  # noqa: BLE001 - whatever is wrong, nothing is proven
        sys.exit(f"NOT PROVEN: {error or type(error).__name__}")
    sys.stdout.write("The proof holds.\n")
