"""A peer that needs no library: shows that the pipe, callbacks and costs work. Used by the harness's own test."""

from wire import callback, serve


def shout(text):
    print("printed by a library")
    return text.upper()


def total(texts):
    return sum(callback("score", texts=texts))


def fail():
    raise ValueError("as asked")


serve(shout=shout, total=total, fail=fail)
