"""What a bot with FastAPI does at the least with a call that it records: read, decode, append."""

import audioop
import base64
import json
import socket

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


@app.websocket("/media-stream")
async def media_stream(websocket: WebSocket):
    await websocket.accept()
    audio = []
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            if message["event"] == "media":
                audio.append(audioop.ulaw2lin(base64.b64decode(message["media"]["payload"]), 2))
    except WebSocketDisconnect:
        pass


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # Who reads the address may call at once.
    listener.listen(2048)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    # Its callers read nothing, and so would answer no ping: it would break their calls off after forty seconds.
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False, ws_ping_interval=None)
    uvicorn.Server(config).run(sockets=[listener])


main()
