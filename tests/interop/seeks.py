"""GStreamer as a viewer who seeks: what it shows, and which time it takes that for.

Usage: seeks.py URL SEEK ...

SEEK is rate:flags:start:stop:seconds. Flags are any of T (TRICKMODE) and K (TRICKMODE_KEY_UNITS); start and stop are
seconds or empty; the last number says how long to watch. For each picture it prints the number of the seek, the MD5
of the picture, its stream time in nanoseconds, and the time its segment starts with.
"""

import hashlib
import os
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

FLAGS = {"T": Gst.SeekFlags.TRICKMODE, "K": Gst.SeekFlags.TRICKMODE_KEY_UNITS}
# RTP timestamps as they are: by default they are drawn towards the times of arrival, which at any other rate than 1
# makes another rate of it. Two sinks, both of which wait for the clock and for their first buffer.
PIPELINE = """
    rtspsrc name=s location={} protocols=tcp buffer-mode=none latency=100
    s. ! rtph264depay ! h264parse ! avdec_h264 max-threads=1 ! videoconvert ! video/x-raw,format=I420
        ! appsink name=pictures sync=true emit-signals=true
    s. ! rtpmp4gdepay ! fakesink sync=true
"""
seek_number = 0


def note_flush(_, info):
    """Each seek empties the pipeline once; what is shown from then on is shown because of it."""
    global seek_number
    seek_number += info.get_event().type == Gst.EventType.FLUSH_STOP
    return Gst.PadProbeReturn.OK


def show(sink):
    number = seek_number
    sample = sink.emit("pull-sample")
    picture, segment = sample.get_buffer(), sample.get_segment()
    hash = hashlib.md5(picture.extract_dup(0, picture.get_size())).hexdigest()
    print(number, hash, segment.to_stream_time(Gst.Format.TIME, picture.pts), segment.time, flush=True)
    return Gst.FlowReturn.OK


def bound(seconds):
    if not seconds:
        return Gst.SeekType.NONE, -1
    return Gst.SeekType.SET, int(float(seconds) * Gst.SECOND)


def watch(pipeline, loop, seeks):
    time.sleep(1.5)
    for seek in seeks:
        rate, names, start, stop, seconds = seek.split(":")
        flags = Gst.SeekFlags.FLUSH
        for name in names:
            flags |= FLAGS[name]
        if not pipeline.seek(float(rate), Gst.Format.TIME, flags, *bound(start), *bound(stop)):
            sys.exit(f"GStreamer cannot seek: {seek}")
        time.sleep(float(seconds))
    loop.quit()


def main(url, seeks):
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE.format(url))
    pictures = pipeline.get_by_name("pictures")
    pictures.connect("new-sample", show)
    pictures.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_FLUSH, note_flush)
    loop = GLib.MainLoop()
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", lambda _, message: (print(message.parse_error(), file=sys.stderr), loop.quit()))
    pipeline.set_state(Gst.State.PLAYING)
    threading.Thread(target=watch, args=(pipeline, loop, seeks), daemon=True).start()
    loop.run()
    # Taking the pipeline down is not what is looked at, and takes GStreamer long after some seeks.
    os._exit(0)


main(sys.argv[1], sys.argv[2:])
