#!/bin/sh
# Makes the prompts that the program ships from texts.tsv: name, language, text. It
# needs espeak-ng and sox. Each is one channel of 16 kHz in µ-law, without the silence
# around it, at the same level: telephones carry no more, and it stays small.
set -eu
cd "$(dirname "$0")"
tab=$(printf '\t')
while IFS="$tab" read -r name language text; do
	case $language in
	en) voice=en-gb ;;
	no) voice=nb ;;
	*) voice=$language ;;
	esac
	mkdir -p "$language"
	printf '%s' "$text" | espeak-ng -v "$voice" -s 165 -p 45 --stdout |
		sox -q -D -t wav - -e mu-law -b 8 -c 1 "$language/$name.wav" \
			gain -4 highpass 100 rate 16000 \
			silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse \
			pad 0.02 0.08 norm -6
done <texts.tsv
mkdir -p zxx # no language: a tone
sox -q -D -n -r 16000 -e mu-law -b 8 -c 1 zxx/beep.wav synth 0.4 sine 1000 fade 0.01 0.4 0.01 gain -12
