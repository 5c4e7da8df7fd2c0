"""What most bots in Python do with a call: frames into buffers, and at its end pydub, which calls ffmpeg."""

import audioop
import sys
import warnings

from pydub import AudioSegment

warnings.simplefilter("ignore")


def frames(path):
    with open(path, "rb") as file:
        while len(frame := file.read(160)) == 160:
            yield frame


def main(caller, assistant, out, *parameters):
    buffers = [bytearray(), bytearray()]
    for pair in zip(frames(caller), frames(assistant)):
        for buffer, frame in zip(buffers, pair):
            buffer += audioop.ulaw2lin(frame, 2)
    sides = [AudioSegment(bytes(buffer), sample_width=2, frame_rate=8000, channels=1) for buffer in buffers]
    both = AudioSegment.from_mono_audiosegments(*sides)
    both.export(out, format="mp3", bitrate="64k", parameters=parameters).close()


main(*sys.argv[1:])
