"""policy.toml: what is read, and what each slip is told."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from policy_samples import CLINIC, policy

from rightsized.core.errors import ConfigError
from rightsized.guard.policy.file import read
from rightsized.guard.policy.outputs import DisclaimerRule


def test_a_file_is_read_with_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(CLINIC)
    found = read(file)
    assert found.ids == ["no-payroll", "public-anywhere", "internal-in-eu", "not-this-model", "patients-stay"]
    assert found.digest == "sha256:" + hashlib.sha256(CLINIC.encode()).hexdigest()


RULE = 'version = 1\n[[flows]]\nid = "a"\neffect = "deny"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no version; this program reads version 1"),
        ("version = 2", "version = 2"),
        ("version = 1\n[[flow]]\n", r"Unknown key 'flow' in policy.toml.*Did you mean flows\?"),
        (RULE + 'data_clases = ["public"]', r"'data_clases' of \[\[flows\]\] 'a' in policy.toml.*mean data_classes\?"),
        (RULE + 'data_classes = ["publik"]', "data_classes of .*publik.*public, internal, personal, health, secret"),
        (RULE + 'roles = ["boss"]', "roles of .*client, viewer, reviewer, operator, auditor, admin"),
        (RULE + "tiers = []", "tiers of .* is empty: it would fit nothing"),
        ('version = 1\n[[flows]]\neffect = "deny"', r"\[\[flows\]\] number 1 in policy.toml has no id"),
        ('version = 1\n[[flows]]\nid = "a b"\neffect = "deny"', "'a b' is no id"),
        (RULE + '[[requests]]\nid = "a"\neffect = "deny"', "Two rules in policy.toml are called 'a'"),
        ("version = 1\nflows = 3", "flows in policy.toml is not a list of tables"),
        ('version = 1\n[defaults]\noff_premises = "allow"', "Unknown key 'off_premises'"),
        ('version = 1\n[[flows]]\nid = "a"\neffect = "allow"\ntiers = ["x"]', "does not say which"),
        ('version = 1\n[[flows]]\nid = "a"\neffect = "allow"\ndata_classes = ["public"]', "does not say where to"),
        ('version = 1\n[[residency]]\nid = "a"', "has no regions"),
        ('version = 1\n[[outputs]]\nid = "a"', "names no check"),
        ('version = 1\n[[outputs]]\nid = "a"\ncheck = "shema"', "'shema', which does not exist.*mean schema"),
        ('version = 1\n[[outputs]]\nid = "a"\ncheck = "schema"\nschema = {}', "nothing here performs"),
    ],
)
def test_slips_are_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        policy(text)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read(tmp_path / "policy.toml")


def test_output_rules_have_types() -> None:
    text = 'version = 1\n[[outputs]]\nid = "ai"\ncheck = "disclaimer"\ntext = "Written by a machine."\n'
    text += 'on_fail = "change"\ntasks = ["chat"]\n'
    (rule,) = policy(text, enforced={"disclaimer"}).outputs
    assert rule == DisclaimerRule(id="ai", text="Written by a machine.", on_fail="change", tasks=("chat",))
    with pytest.raises(ConfigError, match=r"Unknown key 'txt' of \[\[outputs\]\] 'ai'.*Did you mean text\?"):
        policy(text.replace("text =", "txt ="), enforced={"disclaimer"})
