"""Rules that bind before any score does: who may ask what, which data may go where, what may be given out.

`file` reads and checks policy.toml, `rulebook` makes of it what answers in microseconds, `store` holds the one in
force and takes up a changed file, `answerer` is the `Policy(inner)` that everything passes. Where it stops: it says
where data may go and sends nothing; it names the checks of outputs (`outputs`) and performs none.
"""
