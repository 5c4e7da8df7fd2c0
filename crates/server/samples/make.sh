#!/bin/sh
# Makes the demo's speech: raw mu-law, 8 kHz, one file a sentence. Needs espeak-ng and sox.
# The voices are espeak-ng's own synthesis; nobody's recording is in them.
set -eu
cd "$(dirname "$0")"

say() { # file, voice, speed (words a minute), pitch (0-99), text
    espeak-ng -v "$2" -s "$3" -p "$4" -w "$1.wav" "$5"
    # The band of a telephone, a level well below full scale, and no silence at the ends.
    sox "$1.wav" -r 8000 -c 1 -e mu-law -t ul "$1.ulaw" \
        gain -n -6 sinc 200-3400 silence 1 0.02 0.5% reverse silence 1 0.02 0.5% reverse
    rm "$1.wav"
}

say assistant_1 en-us+f3 175 55 "Good morning, this is the book shop on Mill Street. How can I help you?"
say caller_1    en-gb+m3 165 35 "Hello. Are you open on Sundays?"
say assistant_2 en-us+f3 175 55 "On Sundays we open at ten in the morning and close at four in the afternoon, except in August, when we are closed all day, and on the last Sunday before Christmas, when we are open until eight."
say caller_2    en-gb+m3 165 35 "Thank you, that is all I wanted to know."
say assistant_3 en-us+f3 175 55 "You are welcome. Good bye!"
