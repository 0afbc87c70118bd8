"""Prints the session description that GStreamer makes of a pipeline's packets.

gst_sdp.py PORT PIPELINE, where one element of the pipeline is called pay. By its own library,
since no program of its writes descriptions.
"""

import ctypes
import sys

PAUSED, NULL, SECOND = 3, 1, 10**9


def library(name):
    found = ctypes.CDLL(name)

    def call(function, result, *args):
        f = getattr(found, function)
        f.restype = result
        # An integer is taken to be a short one otherwise.
        return f(*(ctypes.c_uint64(a) if isinstance(a, int) else a for a in args))

    return call


def text(s):
    return ctypes.c_char_p(s.encode())


pointer = ctypes.c_void_p
gst, sdp = library("libgstreamer-1.0.so.0"), library("libgstsdp-1.0.so.0")

gst("gst_init", None, pointer(), pointer())
pipeline = pointer(gst("gst_parse_launch", pointer, text(sys.argv[2] + " ! fakesink"), pointer()))
gst("gst_element_set_state", ctypes.c_int, pipeline, PAUSED)
gst("gst_element_get_state", ctypes.c_int, pipeline, pointer(), pointer(), 10 * SECOND)
pay = pointer(gst("gst_bin_get_by_name", pointer, pipeline, text("pay")))
pad = pointer(gst("gst_element_get_static_pad", pointer, pay, text("src")))
caps = pointer(gst("gst_pad_get_current_caps", pointer, pad))
gst("gst_element_set_state", ctypes.c_int, pipeline, NULL)

session, media = pointer(), pointer()
sdp("gst_sdp_message_new", ctypes.c_int, ctypes.byref(session))
sdp("gst_sdp_message_set_version", ctypes.c_int, session, text("0"))
origin = [text(s) for s in ("-", "1", "1", "IN", "IP4", "127.0.0.1")]
sdp("gst_sdp_message_set_origin", ctypes.c_int, session, *origin)
sdp("gst_sdp_message_set_session_name", ctypes.c_int, session, text("GStreamer"))
connection = [text(s) for s in ("IN", "IP4", "127.0.0.1")]
sdp("gst_sdp_message_set_connection", ctypes.c_int, session, *connection, 0, 0)
sdp("gst_sdp_message_add_time", ctypes.c_int, session, text("0"), text("0"), pointer())
sdp("gst_sdp_media_new", ctypes.c_int, ctypes.byref(media))
sdp("gst_sdp_media_set_port_info", ctypes.c_int, media, int(sys.argv[1]), 1)
sdp("gst_sdp_media_set_proto", ctypes.c_int, media, text("RTP/AVP"))
sdp("gst_sdp_media_set_media_from_caps", ctypes.c_int, caps, media)
sdp("gst_sdp_message_add_media", ctypes.c_int, session, media)
print(sdp("gst_sdp_message_as_text", ctypes.c_char_p, session).decode(), end="")
