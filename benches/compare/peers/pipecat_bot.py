"""A bot as pipecat's examples have it for Twilio, without models: it says what it hears. With `record`, its recorder is on."""

import io
import json
import socket
import sys
import wave

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RECORD = "record" in sys.argv[1:]
app = FastAPI()


class Echo(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            said = OutputAudioRawFrame(
                audio=frame.audio, sample_rate=frame.sample_rate, num_channels=frame.num_channels
            )
            await self.push_frame(said)


def recorder():
    buffer = AudioBufferProcessor(num_channels=2, auto_start_recording=True)

    @buffer.event_handler("on_audio_data")
    async def on_audio_data(_, audio, sample_rate, num_channels):
        with wave.open(io.BytesIO(), "wb") as file:
            file.setsampwidth(2)
            file.setnchannels(num_channels)
            file.setframerate(sample_rate)
            file.writeframes(audio)

    return buffer


@app.websocket("/media-stream")
async def media_stream(websocket: WebSocket):
    await websocket.accept()
    start = {}
    while start.get("event") != "start":
        start = json.loads(await websocket.receive_text())
    serializer = TwilioFrameSerializer(
        stream_sid=start["streamSid"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    processors = [transport.input(), Echo(), transport.output()]
    if RECORD:
        processors.append(recorder())
    worker = PipelineWorker(
        Pipeline(processors),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        cancel_on_idle_timeout=False,
        enable_turn_tracking=False,
        enable_rtvi=False,
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport, _websocket):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main():
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # Who reads the address may call at once.
    listener.listen(2048)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


main()
