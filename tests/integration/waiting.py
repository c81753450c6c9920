"""The one place where a test pauses: between two looks at a condition, never instead of looking."""
import time


def wait_until(condition, deadline_s, what):
    """Calls condition() until it returns something true, which is the result; fails naming `what` after deadline_s."""
    deadline = time.monotonic() + deadline_s
    pause_s = 0.001
    while True:
        if result := condition():
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
