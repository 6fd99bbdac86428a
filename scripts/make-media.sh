#!/usr/bin/env bash
# Makes the media that are committed: recordings/, one of each family of containers, as a camera would record them, with
# a clock burnt in; and the clips in tests/media/ that unit tests read. The same ffmpeg makes the same bytes again.
#
# Usage: scripts/make-media.sh [FOLDER]     default: the project; it makes FOLDER/recordings and FOLDER/tests/media
#
# Needs: ffmpeg with libx264, libx265 and libopus, and a font (Debian: ffmpeg fonts-dejavu-core).
set -euo pipefail

# shellcheck source=scripts/common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

folder=${1:-$root}/recordings
test_media=${1:-$root}/tests/media
font=/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf

has ffmpeg || fail "there is no ffmpeg; apt-get install ffmpeg"
[[ -e $font ]] || font=$(fc-match --format '%{file}' monospace) || fail "there is no font; apt-get install fonts-dejavu-core"

# camera FILE NAME WIDTHxHEIGHT SECONDS START [ffmpeg output arguments]
# A slowly turning background, a box that walks to and fro, the camera's name and a clock that begins at START (Unix
# time), and a ticking sound.
camera() {
    local file=$folder/$1 name=$2 size=$3 seconds=$4 start=$5
    shift 5
    mkdir -p "$(dirname "$file")"
    local text="drawtext=fontfile=$font:fontcolor=white:borderw=2:fontsize=h/14:x=h/20"
    local picture="gradients=size=$size:rate=25:duration=$seconds:speed=0.004:x0=0:y0=0:x1=600:y1=200:nb_colors=3:c0=0x203040:c1=0x708090:c2=0x304030:seed=1,format=yuv420p[room];"
    picture+="color=size=48x96:rate=25:duration=$seconds:color=orange[visitor];"
    picture+="[room][visitor]overlay=x='(W-w)*abs(mod(t/4\,2)-1)':y='H-h-H/10',"
    picture+="$text:y=h/20:text='$name',$text:y=h-h/10:text='%{pts\\:gmtime\\:$start} %{n}'[out0]"
    local sound="sine=frequency=880:beep_factor=3:sample_rate=48000:duration=$seconds,volume=0.3[out0]"
    ffmpeg -nostdin -v error -y -f lavfi -i "$picture" -f lavfi -i "$sound" -map_metadata -1 -fflags +bitexact \
        -flags:v +bitexact -flags:a +bitexact -g 50 "$@" "$file"
}

x264=(-c:v libx264 -preset slow -crf 26 -threads 1)
x265=(-c:v libx265 -preset medium -crf 30 -x265-params log-level=none:pools=none:frame-threads=1)
fragments=(-movflags +frag_keyframe+empty_moov+default_base_moof)
noon=1795176000 # 2026-11-20 12:00:00 UTC

# MP4 with B-frames and AAC, its index at the front
camera front-door.mp4 'Front door' 640x360 20 $noon "${x264[@]}" -c:a aac -b:a 32k -movflags +faststart
# Matroska with H.265 and Opus
camera garage.mkv 'Garage' 640x360 10 $noon "${x265[@]}" -c:a libopus -b:a 24k
# One camera's folder of fragmented segments: MP4 with AAC, QuickTime with G.711
camera yard/2026-11-20_12-00-00.mp4 'Yard' 480x270 10 $noon "${x264[@]}" -bf 0 -c:a aac -b:a 32k "${fragments[@]}"
camera yard/2026-11-20_12-00-10.mov 'Yard' 480x270 10 $((noon + 10)) "${x264[@]}" -bf 0 -c:a pcm_mulaw -ar 8000 "${fragments[@]}"
# H.264 and nothing else
camera gate.264 'Gate' 480x270 10 $noon "${x264[@]}" -an -f h264

# What the unit tests of raw video read: open groups of pictures, B-frames that others refer to.
mkdir -p "$test_media"
ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=64x48:r=30000/1001:d=0.8 -c:v libx264 -threads 1 -pix_fmt yuv420p \
    -qp 40 -x264-params open-gop=1:keyint=8:min-keyint=4:bframes=3:b-adapt=0:b-pyramid=normal:scenecut=0 \
    -f h264 "$test_media/open_gop_bframes.h264"
x265_params=log-level=none:info=0:qp=40:open-gop=1:keyint=8:min-keyint=8:bframes=3:b-adapt=0:b-pyramid=1
ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=64x48:r=24:d=1 -c:v libx265 -pix_fmt yuv420p \
    -x265-params "$x265_params:scenecut=0:pools=1" -f hevc "$test_media/open_gop_bframes.h265"

du -ch "$folder"/*.* "$folder"/*/*.* "$test_media"/*
