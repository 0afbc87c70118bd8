"""A device by grpcio, and a decoder by libopus. Stubs come from contract.proto."""

import ctypes
import ctypes.util
import os
import queue
import sys
import tempfile
import threading
import time

import grpc
from grpc_tools import protoc

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = tempfile.mkdtemp()
ARGS = ["", f"-I{HERE}", f"--python_out={OUT}", f"--grpc_python_out={OUT}", "contract.proto"]
assert protoc.main(ARGS) == 0
sys.path.insert(0, OUT)
import contract_pb2 as pb  # noqa: E402
import contract_pb2_grpc as stubs  # noqa: E402

BUTTON_1, BUTTON_2, BUTTON_3, BUTTON_4 = range(4)
PRESS, HOLD, RELEASE = range(3)
PATIENCE = 15
MAGENTA = 0xFF00FFFF


class Decoder:
    """libopus, 48 kHz mono."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("opus") or "libopus.so.0")
        self.lib.opus_decoder_create.restype = ctypes.c_void_p
        error = ctypes.c_int()
        self.state = ctypes.c_void_p(self.lib.opus_decoder_create(48000, 1, ctypes.byref(error)))
        assert error.value == 0
        self.pcm = (ctypes.c_int16 * 5760)()

    def decode(self, data):
        n = self.lib.opus_decode(self.state, data, len(data), self.pcm, 5760, 0)
        assert n == 960, f"a packet decodes to {n} frames"
        return list(self.pcm[:n])


class Ended(Exception):
    pass


class Device:
    """Three streams; what comes is put into queues with its time."""

    def __init__(self, target, name, channel=None, metadata=()):
        self.name = name
        self.metadata = (("device_id", name), *metadata)
        self.channel = channel or grpc.insecure_channel(target)
        self.stub = stubs.DeviceServiceStub(self.channel)
        self.answers, self.events = queue.Queue(), queue.Queue()
        self.told, self.acks, self.sound = queue.Queue(), queue.Queue(), queue.Queue()
        self.calls = []
        self.decoder = Decoder()

    def open(self, status=True, events=True, audio=True):
        if status:
            call = self.stub.StatusStream(iter(self.answers.get, None), metadata=self.metadata)
            self.read(call, self.told)
        if events:
            call = self.stub.EventStream(iter(self.events.get, None), metadata=self.metadata)
            self.read(call, self.acks)
        if audio:
            request = pb.AudioStreamRequest(start=True)
            call = self.stub.ServerAudioStream(request, metadata=self.metadata)
            self.read(call, self.sound)
        return self

    def read(self, call, into):
        self.calls.append(call)

        def run():
            try:
                for message in call:
                    into.put((time.monotonic(), message))
                into.put((time.monotonic(), Ended("ended")))
            except grpc.RpcError as error:
                into.put((time.monotonic(), error))

        threading.Thread(target=run, daemon=True).start()

    @staticmethod
    def next(from_):
        at, message = from_.get(timeout=PATIENCE)
        if isinstance(message, Exception):
            raise message
        return at, message

    def leds(self):
        """The next request must set LEDs 1 to 5; it is answered."""
        _, request = self.next(self.told)
        assert request.WhichOneof("request") == "set", request
        set_ = request.set
        assert not set_.HasField("led_0"), "LED 0 is the device's own"
        self.answers.put(pb.DeviceStatusResponse(status="success"))
        leds = [set_.led_1, set_.led_2, set_.led_3, set_.led_4, set_.led_5]
        return [led.rgba for led in leds]

    def press(self, button, kind=PRESS):
        event = pb.ButtonEvent(button_id=button, event=kind)
        self.events.put(pb.DeviceEvent(button_event=event))
        _, answer = self.next(self.acks)
        assert answer.ack

    def tap(self, button):
        self.press(button, PRESS)
        self.press(button, RELEASE)

    def packet(self):
        """The next packet; whatever it holds decodes to 20 ms."""
        at, packet = self.next(self.sound)
        if packet.data:
            self.decoder.decode(packet.data)
        else:
            assert packet.is_end and not packet.is_start, "a packet has data, or is an end"
        return at, packet

    def play(self, most=None):
        """Packets of one sound, with their times: all, or the first so many."""
        packets = []
        while True:
            at, packet = self.packet()
            assert packet.is_start == (not packets), "is_start is on the first packet alone"
            if packet.is_end:
                assert packet.data == b""
                return packets
            assert packet.data
            packets.append((at, packet.data))
            if len(packets) == most:
                return packets

    def close(self):
        for call in self.calls:
            call.cancel()
        self.answers.put(None)
        self.events.put(None)
        self.channel.close()


def one(number):
    """LEDs 1 to 5, of which one is lit."""
    return [MAGENTA if n == number else 0 for n in range(1, 6)]


def decoded(packets):
    decoder = Decoder()
    return [sample for _, data in packets for sample in decoder.decode(data)]


def rises(samples):
    """Times that it rises through zero."""
    return sum(1 for a, b in zip(samples, samples[1:]) if a < 0 <= b)


def never_early(packets, lead=0.020):
    """No packet comes earlier than its time less the lead; the first one's time is the start."""
    start = packets[0][0]
    for number, (at, _) in enumerate(packets):
        due = start + number * 0.020 - lead
        assert at >= due - 0.004, f"packet {number} came {due - at:.4f} s early"
