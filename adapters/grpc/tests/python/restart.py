"""A server that ends in the middle of a sound, and another one in its place."""

import sys

from device import *

target = sys.argv[1]
device = Device(target, "steady").open()
assert device.leds() == [0] * 5
device.tap(BUTTON_2)
assert device.leds() == one(1)
device.tap(BUTTON_4)
assert len(device.play(10)) == 10
print("playing", flush=True)
# What was begun is ended before the stream is, and no stream breaks off.
ended = False
while True:
    try:
        ended = device.packet()[1].is_end
    except Ended:
        break
assert ended, "the sound has no end"
for stream in (device.told, device.acks):
    try:
        while True:
            device.next(stream)
    except Ended:
        pass
device.close()
print("ended", flush=True)
assert sys.stdin.readline() == "again\n"
device = Device(target, "steady").open()
assert device.leds() == [0] * 5
device.tap(BUTTON_4)
assert len(device.play(10)) == 10
device.close()
