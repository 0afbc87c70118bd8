"""Two devices at once, each through the whole sequence of buttons."""

import sys
import threading

from device import *

target = sys.argv[1]
failures = []


def whole(packets, pitches):
    """A second of each pitch, and nothing cut off: libopus holds 312 frames back."""
    assert len(packets) == 101, len(packets)
    never_early(packets)
    samples = decoded(packets)
    for second, pitch in enumerate(pitches):
        middle = samples[second * 48000 + 4800 : second * 48000 + 43200]
        found = rises(middle) / 0.8
        assert abs(found - pitch) < 4, f"{found} instead of {pitch} Hz"
    tail = samples[96000 : 96000 + 312]
    assert max(map(abs, tail)) > 3000, "the end is cut off"


def sequence(name, barrier):
    device = Device(target, name).open()
    assert device.leds() == [0] * 5, "dark at first, and told so at once"
    for mode in (1, 2, 3, 4, 5, 1, 2):
        device.tap(BUTTON_2)
        assert device.leds() == one(mode)
    device.press(BUTTON_1)
    device.press(BUTTON_1, HOLD)
    device.press(BUTTON_1, RELEASE)
    barrier.wait()

    # The sound of mode 2, whole and in time.
    device.tap(BUTTON_4)
    whole(device.play(), (660, 990))

    # Another one while it plays: that one ends, the other one begins.
    device.tap(BUTTON_4)
    first = device.play(20)
    device.tap(BUTTON_2)
    assert device.leds() == one(3)
    device.tap(BUTTON_4)
    rest = 0
    while not device.packet()[1].is_end:
        rest += 1
    assert len(first) + rest < 60, "switched at once"
    third = device.play(50)
    assert abs(rises(decoded(third)[4800:43200]) / 0.8 - 330) < 4

    # Stop: nothing more but the end.
    device.tap(BUTTON_3)
    assert device.leds() == [0] * 5
    rest = 0
    while not device.packet()[1].is_end:
        rest += 1
    assert rest < 40, "nothing was sent ahead"
    assert device.sound.empty()

    # Mode 0 has a sound of its own.
    device.tap(BUTTON_4)
    assert len(device.play(30)) == 30
    device.tap(BUTTON_3)
    while not device.packet()[1].is_end:
        pass

    # Away in the middle of a sound, and back: mode and sound are where they were.
    for mode in (1, 2):
        device.tap(BUTTON_2)
        assert device.leds() == one(mode)
    device.tap(BUTTON_4)
    heard = device.play(30)
    device.close()
    device = Device(target, name).open()
    assert device.leds() == one(2)
    rest = device.play()
    assert 95 <= len(heard) + len(rest) <= 101 + 5, (len(heard), len(rest))
    # Play needs no stop before it.
    device.tap(BUTTON_4)
    assert len(device.play(5)) == 5

    # Opened twice: the new streams are in force, the old ones end.
    twin = Device(target, name).open()
    assert twin.leds() == one(2)
    twin.play(5)
    for old in (device.told, device.acks, device.sound):
        while True:
            try:
                device.next(old)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.ABORTED, error
                break
    twin.tap(BUTTON_3)
    assert twin.leds() == [0] * 5
    twin.close()
    device.close()


def run(name, barrier):
    try:
        sequence(name, barrier)
    except BaseException as error:  # noqa: BLE001
        failures.append((name, repr(error)))
        barrier.abort()
        raise


barrier = threading.Barrier(2)
threads = [threading.Thread(target=run, args=(name, barrier)) for name in ("left", "right")]
[t.start() for t in threads]
[t.join() for t in threads]
sys.exit(f"{failures}" if failures else 0)
