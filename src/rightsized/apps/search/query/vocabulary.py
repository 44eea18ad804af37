"""Lists of words that names and questions are read with. English, but for the legal forms."""

from __future__ import annotations

_LEGAL_FORMS = """
ab ag aps as bv co company corp corporation cv doo eeig eg ev gmbh inc incorporated kft kg kgaa lda limited llc llp
lp ltd mbh na nl nv ohg oy oyj plc pte pty pvt sa sarl sas se sl spa srl sro ug vof zrt
"""
_ROLES = """
a adviser advisor affiliate affiliates agency agent agreement amendment an and assignee assignor association author
bank board borrower branch buyer by carrier charterer client collectively companies company compensation
confidential consultant contract contractor corporation corporations customer date dealer delaware developer
director discloser distributor each effective either employee employer entity executive exhibit fee fees franchisee
franchisor fund guarantor hereinafter holder i if individual individually investor issuer it its joint landlord
lender lessee lessor licensee licensor ma manager manufacturer marketing marks member operating operator or our
owner participant parties partner partnership party person plan principal product products professional
professionals promoter property provider publisher purchaser recipient referred reseller schedule section seller
service services shareholder shareholders shipper sponsor state states stockholder subsidiary supplier system talent
tenant term territory that the these they this together transferor trust trustee undersigned university us user
vendor venture we website work writer you your
"""
_COMMON = """
a agreement agreements amended amendment america american an and annex appendix business by capital communications
company conditions contract contracts copy data development distribution document documents draft east energy eu
exhibit final financial first for form general global group guide handbook health holding holdings in index
information insurance international investment investments letter licence license management manual marketing media
medical memo memorandum minutes national network new north notes of old on operations or page parties partners party
pharmaceuticals policies policy privacy procedure product products readme report research restated scan schedule
second security service services signed solutions south states supply systems technologies technology terms the
third to transportation uk united untitled us usa version west with work
"""

LEGAL_FORMS = frozenset(_LEGAL_FORMS.split())  # at the end of a company's name
ROLES = frozenset(_ROLES.split())  # what contracts call their parties, and what stands around names
COMMON = frozenset(_COMMON.split())  # in titles and names of many: none of them says which is meant
