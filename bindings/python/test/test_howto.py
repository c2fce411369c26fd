import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def test_the_example_of_the_howto_prints_what_its_comments_say():
    text = (HERE / "python.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    promised = re.findall(r"print\(.*\)  # (\S+)$", example, re.MULTILINE)
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=20, check=True)
    assert ran.stdout.split() == promised
    assert len(promised) == 3
