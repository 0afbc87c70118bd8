"""Devices that do not do as they should."""

import sys

from device import *

target = sys.argv[1]


def refused(code, metadata):
    """All three calls are refused with this code."""
    channel = grpc.insecure_channel(target)
    stub = stubs.DeviceServiceStub(channel)
    for call in (
        stub.StatusStream(iter([]), metadata=metadata),
        stub.EventStream(iter([]), metadata=metadata),
        stub.ServerAudioStream(pb.AudioStreamRequest(start=True), metadata=metadata),
    ):
        try:
            next(call)
            raise AssertionError("it was taken")
        except grpc.RpcError as error:
            assert error.code() == code, error
    channel.close()


refused(grpc.StatusCode.INVALID_ARGUMENT, ())
refused(grpc.StatusCode.INVALID_ARGUMENT, (("device_id", ""),))
refused(grpc.StatusCode.INVALID_ARGUMENT, (("device_id", "x" * 129),))

# Enum values that nobody knows, events of no kind: acknowledged all the same.
device = Device(target, "odd").open()
assert device.leds() == [0] * 5
device.press(9)
device.press(BUTTON_2, 7)
device.press(-1, -1)
device.events.put(pb.DeviceEvent())
assert device.next(device.acks)[1].ack
device.answers.put(pb.DeviceStatusResponse())
device.answers.put(pb.DeviceStatusResponse(status="no" * 3000))
device.answers.put(pb.DeviceStatusResponse(state=pb.DeviceStatus(battery_level=float("nan"))))
device.tap(BUTTON_2)
assert device.leds() == one(1)

# A flood, each of it acknowledged; the last word counts.
for n in range(5000):
    kind = PRESS if n % 2 == 0 else RELEASE
    event = pb.ButtonEvent(button_id=BUTTON_2, event=kind)
    device.events.put(pb.DeviceEvent(button_event=event))
for _ in range(5000):
    assert device.next(device.acks)[1].ack
device.press(BUTTON_3)
last = None
while last != [0] * 5:
    last = device.leds()
device.close()

# Only some of the streams, in any order; a sound that was asked for before anybody listened.
events = Device(target, "late").open(status=False, audio=False)
events.tap(BUTTON_2)
events.tap(BUTTON_4)
audio = Device(target, "late").open(status=False, events=False)
assert len(audio.play(3)) == 3
status = Device(target, "late").open(events=False, audio=False)
assert status.leds() == one(1)

# Half-closed: who says nothing more is still told.
status.answers.put(None)
events.tap(BUTTON_2)
assert status.leds() == one(2)
events.tap(BUTTON_2)
assert status.leds() == one(3)
events.events.put(None)
try:
    events.next(events.acks)
    raise AssertionError("an event stream ends when the device ends it")
except Ended:
    pass

# start = false asks for nothing.
call = audio.stub.ServerAudioStream(pb.AudioStreamRequest(), metadata=audio.metadata)
assert list(call) == []
assert len([audio.packet() for _ in range(5)]) == 5

# A sound whose file has gone: the LEDs say so, and the device stays usable.
gone = Device(target, "gone").open()
assert gone.leds() == [0] * 5
for mode in (1, 2, 3, 4):
    gone.tap(BUTTON_2)
    assert gone.leds() == one(mode)
gone.tap(BUTTON_4)
assert gone.leds() == [0xFF0000FF] * 5
assert gone.leds() == one(4)
gone.tap(BUTTON_3)
assert gone.leds() == [0] * 5
gone.tap(BUTTON_4)
assert len(gone.play(3)) == 3
for device in (events, audio, status, gone):
    device.close()
