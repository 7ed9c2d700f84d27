"""What one layer alone stops: harmless by itself, so that nothing else notices when that layer is gone."""

from sandbox.attack import BUILTIN, FILE, LIMIT, TIME, Attack, Layer, Setting

LAYERS = (
    Attack(
        name="parent-outside-the-namespace",
        technique="namespaces",
        code=r"""
import os
if os.getppid() != 1:
    print("LEAK: the number of a process outside", os.getppid())
os.stat(CANARY)
""",
        as_is=(FILE,),
        no_check=(FILE,),
        bare=(FILE,),
        escapes=True,
        alone=True,
        full=True,
    ),
    Attack(
        name="sleep-past-the-deadline",
        technique="sleep with signals ignored",
        code="import time\ntime.sleep(2)",
        as_is=(TIME,),
        no_check=(TIME,),
        bare=(TIME,),
        holds=Layer.SUPERVISOR,
        timeout_s=0.1,
        only=(Setting.BARE,),
    ),
    Attack(
        name="value-just-over-the-cap",
        technique="output flood",
        code="'x' * 1_200_000",
        as_is=(LIMIT,),
        no_check=(LIMIT,),
        bare=(LIMIT,),
        holds=Layer.SUPERVISOR,
    ),
    Attack(
        name="eval-of-a-sum",
        technique="builtins by name",
        code="eval('1 + 1')",
        as_is=(BUILTIN,),
        no_check=(BUILTIN,),
        bare=(),
        only=(Setting.AS_IS, Setting.NO_CHECK),
    ),
    Attack(
        name="look-at-a-class",
        technique="subclasses walk",
        code="().__class__.__base__",
        as_is=(BUILTIN,),
        no_check=(),
        bare=(),
        only=(Setting.AS_IS,),
    ),
)
