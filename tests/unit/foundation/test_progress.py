import os
import pty
import subprocess
import sys
import termios

from rankscape.foundation.progress import bar, say, track

SCRIPT = "from rankscape.foundation.progress import track; list(track(range(3), 'patches'))"


def test_bars_are_silent_where_there_is_no_terminal(capfd):
    assert list(track(range(3), "patches")) == [0, 1, 2]
    with bar("bytes", unit="B", total=10, scale=True) as progress:
        progress.update(10)
    assert capfd.readouterr() == ("", "")


def test_a_line_for_the_log_goes_to_standard_error(capsys):
    say("4 clusters")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "4 clusters\n")


def test_bars_speak_on_a_terminal():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run([sys.executable, "-c", SCRIPT], stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "patches" in shown
    assert "3/3" in shown
