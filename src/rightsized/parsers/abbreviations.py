"""Words that end with a full stop without ending a sentence, lower case, without the stop. Data only."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A name, a number or a reference follows: never the end of a sentence.
CONTINUES = _words(
    """
    mr mrs ms dr prof rev hon capt col gen lt maj sgt messrs mme mlle mm sr sra srta dott sig ing dipl hr fr
    st ste mt ft
    no nos nr nrn num art arts sec secs sect para paras par pt pts cl cls ch chap fig figs tab vol vols pp pg p ed eds
    reg regs sched app ex exh tit subd subs subsec abs anm ziff rn rdnr lit buchst kap bd aufl bsp hs ff
    vs v cf viz approx ca e.g i.e eg ie z.b d.h u.a i.d.r i.s.d o.ä s.o s.u vgl bzw ggf inkl exkl evtl usw.u
    stat minn mich wis conn tenn okla ariz calif colo wash
    jan feb mar apr jun jul aug sept sep oct nov dec okt dez
    ext tel attn re ref doc ver rel dept est min max incl excl
    """
)

# May stand in the middle of a sentence or at its end: what follows decides.
MAY_END = _words(
    """
    inc ltd co corp llc plc gmbh ag s.a s.p.a b.v n.v l.p l.l.c l.l.p bros jr esq phd ph.d m.d
    etc al a.m p.m am pm u.s u.k e.u u.n usa u.s.a d.c usw u.a.m u.v.m op cit ibid id cal del mass n.y
    """
)

# Words that often begin a sentence and seldom follow an abbreviation within one.
STARTERS = _words(
    """
    a an the this that these those it its he she they we you i if in on at by for from to with when where while after
    before as any all each every no such there here however but and or so then thus therefore upon under except
    unless until notwithstanding subject neither either both who what which how why
    der die das ein eine dies diese dieser es er sie wir ihr wenn im in am bei für von mit nach vor als alle jede
    le la les un une il elle ils elles nous vous si dans en au aux pour par avec ce cette ces
    el los las una si en para por con este esta estos
    """
)

MONTHS = _words(
    """
    januar februar märz april mai juni juli august september oktober november dezember january february march may june
    july october december
    """
)
