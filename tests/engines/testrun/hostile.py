"""Code that tries to get out, to see, to break or to cheat: each answer tells what came of its attempt, in one word."""

from __future__ import annotations

TRY = '''
def tried(act):
    """What an attempt came to: `done`, or the name of its error."""
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"
'''

# name: (answer, tests that hold only where the attempt failed)
ATTEMPTS: dict[str, tuple[str, str]] = {
    "reads-the-password-file": (
        'def read(): return tried(lambda: open("/etc/passwd").read())',
        'assert read() == "FileNotFoundError"',
    ),
    "sees-the-root": (
        'import os\ndef names(): return [sorted(os.listdir("/")), tried(lambda: os.listdir("/proc")), os.getcwd()]',
        'import os\nroot, processes, here = names()\nassert processes == "FileNotFoundError"\nassert here == "/tmp"\n'
        'assert set(root) <= {"tmp", os.__file__.split("/")[1]}',
    ),
    "reads-the-home": (
        "def read(path): return tried(lambda: open(path).read())",
        'assert read("HOME/secrets/signing.key") == "FileNotFoundError"',
    ),
    "imports-a-package-beside-the-library": (
        "def find(name): return tried(lambda: __import__(name))",
        'for name in ("msgspec", "numpy", "pip"):\n    assert find(name) == "ModuleNotFoundError"',
    ),
    "writes-everywhere": (
        'import os\ndef write(folder): return tried(lambda: open(os.path.join(folder, "mark"), "w").write("x"))',
        "import os\n"
        'for folder in ("/", os.path.dirname(os.__file__)):\n    assert write(folder) == "OSError", write(folder)\n'
        'assert write("/tmp") == "done"',
    ),
    "writes-more-than-its-place-holds": (
        'def fill():\n    with open("big", "wb") as file:\n        for _ in range(64):\n'
        "            file.write(bytes(1 << 20))",
        'try:\n    fill()\n    raise SystemExit("it was written")\nexcept OSError:\n    pass',
    ),
    "makes-files-without-end": (
        'def many():\n    for n in range(100_000):\n        open(f"f{n}", "w").close()',
        'try:\n    many()\n    raise SystemExit("they were made")\nexcept OSError:\n    pass',
    ),
    "follows-links-out": (
        "import os\n"
        "def link(to):\n"
        '    for act in (os.symlink, os.link):\n        tried(lambda: act(to, "way" + act.__name__))\n'
        '    return [tried(lambda: open("way" + act).read()) for act in ("symlink", "link")]',
        'assert link("/proc/1/root/etc/passwd") == ["FileNotFoundError"] * 2\n',
    ),
    "climbs-out-of-the-root": (
        "import os\n"
        'def climb():\n    os.chdir("/")\n    for _ in range(50):\n        os.chdir("..")\n'
        '    return sorted(os.listdir("."))',
        'assert "etc" not in climb()',
    ),
    "opens-a-socket": (
        "import socket\ndef connect(kind): return tried(lambda: socket.socket(kind, socket.SOCK_STREAM))",
        "import socket\n"
        "for kind in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 17):\n"
        '    assert connect(kind) == "PermissionError"',
    ),
    "looks-a-name-up": (
        'import socket\ndef look(): return tried(lambda: socket.getaddrinfo("home.example", 443))',
        'assert look() in ("gaierror", "PermissionError")',
    ),
    "starts-a-program": (
        "import os, subprocess, sys\n"
        "def start():\n"
        '    return [tried(lambda: subprocess.run(["/bin/sh", "-c", "true"])),\n'
        '            tried(lambda: os.execv("/bin/sh", ["sh"])),\n'
        '            tried(lambda: os.posix_spawn("/bin/sh", ["sh"], {})), os.system("true") != 0]',
        'first, second, third, fourth = start()\nassert first == second == third == "PermissionError" and fourth',
    ),
    "forks-without-end": (
        "import os\ndef bomb():\n    while True:\n        os.fork()",
        "try:\n    bomb()\nexcept PermissionError:\n    pass\nelse:\n    raise SystemExit",
    ),
    "starts-threads-without-end": (
        "import threading, time\n"
        "threading.stack_size(1 << 16)\n"
        "def bomb():\n"
        "    for n in range(10_000):\n"
        "        try:\n            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "        except RuntimeError:\n            return n\n"
        "    return 10_000",
        "assert bomb() < 32",
    ),
    "takes-all-memory": (
        "def bomb(): return tried(lambda: [bytearray(1 << 26) for _ in range(1000)])",
        'assert bomb() == "MemoryError"',
    ),
    "opens-files-without-end": (
        'def bomb(): return tried(lambda: [open("/tmp/one", "w") for _ in range(5000)])',
        'assert bomb() == "OSError"',
    ),
    "signals-others": (
        "import os, signal\ndef kill(): return [tried(lambda: os.kill(pid, 9)) for pid in (1, os.getppid(), -1, 2)]",
        'assert kill() == ["PermissionError"] * 4',
    ),
    "makes-namespaces-again": (
        "import ctypes\n"
        "def call(number, *rest):\n"
        "    libc = ctypes.CDLL(None, use_errno=True)\n"
        "    return libc.syscall(number, *rest), ctypes.get_errno()",
        # unshare, setns, mount, chroot, ptrace, keyctl, bpf, io_uring_setup, process_vm_readv, userfaultfd, clone
        "for number in (272, 308, 165, 161, 101, 250, 321, 425, 310, 323):\n"
        "    assert tuple(call(number, 0x10000000, 0, 0, 0, 0)) == (-1, 1), number\n"
        "assert tuple(call(56, 17, 0, 0, 0, 0)) == (-1, 1)\n"
        "assert tuple(call(435, 0, 0)) == (-1, 38)",
    ),
    "calls-by-the-other-abi": (
        "import ctypes\n"
        "def call(number):\n"
        "    libc = ctypes.CDLL(None, use_errno=True)\n    return libc.syscall(number), ctypes.get_errno()",
        "assert tuple(call(0x40000000 + 39)) == (-1, 1)",
    ),
    "becomes-somebody": (
        "import os\ndef who(): return [tried(lambda: os.setuid(0)), os.getuid()]",
        'assert who() == ["PermissionError", 65534]',
    ),
    "keeps-nothing-of-the-host": (
        "import os, socket\ndef told(): return [dict(os.environ), os.getpid(), os.getppid()]",
        'environment, own, parent = told()\nassert not set(environment) - {"LC_CTYPE"}\nassert (own, parent) == (1, 0)',
    ),
    "finds-open-files": (
        "import os\n"
        "def kinds():\n"
        "    found = []\n"
        "    for number in range(64):\n"
        "        try:\n            found.append(os.fstat(number).st_mode & 0o170000)\n"
        "        except OSError:\n            pass\n"
        "    return found",
        # pipes, and the null device in the place of standard error: no folder, no file of the host
        "assert set(kinds()) <= {0o010000, 0o020000} and len(kinds()) <= 4",
    ),
    "floods-the-output": (
        "import sys, os\n"
        "def flood():\n"
        '    for _ in range(2000):\n        sys.stderr.write("x" * 10_000)\n'
        '        tried(lambda: os.write(1, b"x" * 100_000))\n'
        "    return 1",
        "assert flood() == 1",
    ),
}

# name: (answer, tests that it does not satisfy, outcome, words of the reason)
CHEATS: dict[str, tuple[str, str, str, str]] = {
    "ends-while-it-is-loaded": ("import os\nos._exit(0)\ndef f(): return 1", "assert f() == 1", "failed", "ended"),
    "ends-when-it-is-called": ("import os\ndef f(): os._exit(0)", "assert f() == 1", "failed", "ended"),
    "ends-while-all-is-caught": (
        "import os\ndef f(): os._exit(0)", "try:\n    f()\nexcept BaseException:\n    pass", "failed", "ended",
    ),
    "leaves": ("import sys\ndef f(): sys.exit(0)", "assert f() == 1", "failed", "raised"),
    "prints-the-verdict": (
        "import os\ndef f():\n    for n in range(3, 20):\n        try:\n"
        "            os.write(n, b'[\"passed\", \"\", 3]')\n        except OSError:\n            pass\n    return 2",
        "assert f() == 1", "failed", "",
    ),
    "equals-everything": (
        "class A:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
        "    def __lt__(self, o): return True\n    __gt__ = __le__ = __ge__ = __lt__\n"
        "    def __hash__(self): return 1\ndef f(): return A()",
        "assert f() == 1", "failed", "assertion",
    ),
    "is-greater-than-everything": (
        "class A:\n    def __gt__(self, o): return True\n    def __sub__(self, o): return self\n    def __abs__(self):"
        " return self\n    def __lt__(self, o): return True\ndef f(): return A()",
        "assert abs(f() - 1.0) < 1e-9", "failed", "",
    ),
    "is-a-number-that-lies": (
        "class A(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
        "def f(): return A(2)",
        "assert f() == 1", "failed", "assertion",
    ),
    "patches-assert": (
        "import builtins, sys, gc\nbuiltins.AssertionError = SystemExit\nbuiltins.all = lambda x: True\n"
        "sys.modules['unittest'] = None\nsys.settrace(lambda *a: None)\ndef f(): return 2",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertTrue(all([f() == 1]))",
        "failed", "assertion",
    ),
    "shadows-built-in-names": (
        "def all(x): return True\ndef len(x): return 3\ndef f(): return [2]",
        "assert len(f()) == 3 and all([False])", "failed", "assertion",
    ),
    "goes-through-what-it-was-given": (
        "def f(give):\n    for name in ('__globals__', '__code__', '__closure__', '__self__', 'gi_frame'):\n"
        "        try:\n            return getattr(give, name)\n        except Exception:\n            pass\n"
        "    return 2",
        "secret = 5\ndef give(): return 1\nassert f(give) != 2", "failed", "assertion",
    ),
    "climbs-from-an-object-of-the-tests": (
        "def f(node):\n    return node.__init__.__globals__['done']",
        "done = 1\nclass Node:\n    def __init__(self): self.value = 1\nassert f(Node()) == 1", "failed", "raised",
    ),
    "hands-over-a-module": (
        "import sys\ndef f(do): return do(sys, 'stdlib_module_names')",
        "def do(what, name): return hasattr(what, name)\nassert f(do)", "failed", "",
    ),
    "says-it-is-a-module": (
        "import unittest.mock\ndef f(): return unittest.mock.ANY", "assert f() == 1", "failed", "assertion",
    ),
    "writes-nonsense-on-the-line": (
        "import os\ndef f():\n    for n in range(3, 20):\n        try:\n"
        "            os.write(n, b'\\0\\0\\0\\2{}')\n        except OSError:\n            pass\n    return 1",
        "assert f() == 1", "failed", "",
    ),
    "floods-the-line": (
        "import os\ndef f():\n    for n in range(3, 20):\n        try:\n"
        "            os.write(n, b'\\xff' * 60000)\n        except OSError:\n            pass\n    return 1",
        "assert f() == 1", "failed", "",
    ),
    "asks-without-end": ("def f(g):\n    while True: g()", "f(lambda: 1)", "timeout", ""),
    "never-ends": ("def f():\n    while True: pass", "f()", "timeout", ""),
    "sleeps": ("import time\ndef f(): time.sleep(600)", "f()", "timeout", ""),
    "never-loads": ("while True: pass\ndef f(): return 1", "assert f() == 1", "timeout", ""),
    "returns-what-is-too-deep": (
        "def f():\n    x = []\n    for _ in range(5000): x = [x]\n    return x", "assert f() == 1", "failed", "",
    ),
    "returns-what-is-too-long": ("def f(): return 'x' * 50_000_000", "assert f() == 1", "failed", ""),
    "needs-what-is-not-there": ("import numpy\ndef f(): return 1", "assert f() == 1", "failed", "loaded"),
    "is-no-python": ("def f(: return 1", "assert f() == 1", "failed", "loaded"),
}  # fmt: skip
