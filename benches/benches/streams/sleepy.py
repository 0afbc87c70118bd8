"""Streams WAV files the usual way: a thread a file, a sleep of one packet after each send."""
import socket
import sys
import threading
import time
import wave

host, port, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
files = sys.argv[4:]
ready = threading.Barrier(len(files))


def play(path):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wave.open(path) as source:
        frames = round(source.getframerate() * delay)
        ready.wait()
        while data := source.readframes(frames):
            out.sendto(data, (host, port))
            time.sleep(delay)


threads = [threading.Thread(target=play, args=(path,)) for path in files]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
