"""When a review may stop: a random sample of what nobody has read bounds what was missed, and a certificate says so."""
