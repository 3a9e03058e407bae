"""A real RTSP server for a test: plays a video file to whoever connects, each from its beginning. Run by the system's Python.

Usage: rtsp_server.py FILE [PORT]. Prints the port; SIGSTOP makes it a server that stalls, SIGKILL one that is lost.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve for ever."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[2] if len(sys.argv) > 2 else "0")
    factory = GstRtspServer.RTSPMediaFactory()
    place = sys.argv[1].replace("\\", "\\\\").replace('"', '\\"')
    factory.set_launch(f'( filesrc location="{place}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )')
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
