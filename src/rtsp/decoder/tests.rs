use super::*;
use proptest::prelude::*;

/// All messages in `bytes` when they come in pieces of `piece_len`.
fn decode_in_pieces(bytes: &[u8], piece_len: usize) -> Result<Vec<Message>, DecodeError> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece_len) {
        decoder.push(piece);
        while let Some(message) = decoder.decode()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn decode_all(bytes: &[u8]) -> Result<Vec<Message>, DecodeError> {
    decode_in_pieces(bytes, bytes.len().max(1))
}

fn request(bytes: &[u8]) -> Request {
    match decode_all(bytes).as_deref() {
        Ok([Message::Request(request)]) => request.clone(),
        other => panic!("{} is {other:?}", bytes.escape_ascii()),
    }
}

fn fault(bytes: &[u8]) -> DecodeError {
    decode_all(bytes).expect_err(&bytes.escape_ascii().to_string())
}

type Fields = &'static [(&'static str, &'static str)];

fn headers(fields: Fields) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in fields {
        headers.push(*name, *value);
    }
    headers
}

fn frame(channel: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&[b'$', channel, len[0], len[1]], data].concat()
}

#[test]
fn what_real_clients_send_is_understood() {
    let rows: &[(&str, Method, &str, Fields)] = &[
        (
            "OPTIONS rtsp://192.168.1.10:8554/cam1.mp4 RTSP/1.0\r\nCSeq: 2\r\n\
             User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)\r\n\r\n",
            Method::Options,
            "rtsp://192.168.1.10:8554/cam1.mp4",
            &[("CSeq", "2"), ("User-Agent", "LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)")],
        ),
        (
            "SETUP rtsp://192.168.1.10:8554/cam1.mp4/trackID=0 RTSP/1.0\r\n\
             Transport: RTP/AVP/UDP;unicast;client_port=21036-21037\r\nCSeq: 3\r\nUser-Agent: Lavf59.27.100\r\n\r\n",
            Method::Setup,
            "rtsp://192.168.1.10:8554/cam1.mp4/trackID=0",
            &[
                ("Transport", "RTP/AVP/UDP;unicast;client_port=21036-21037"),
                ("CSeq", "3"),
                ("User-Agent", "Lavf59.27.100"),
            ],
        ),
        (
            "DESCRIBE rtsp://192.168.1.10:8554/cam1.mp4 RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: GStreamer/1.22.0\r\n\
             Accept: application/sdp\r\nDate: Tue, 07 Nov 2023 12:00:00 GMT\r\n\r\n",
            Method::Describe,
            "rtsp://192.168.1.10:8554/cam1.mp4",
            &[
                ("CSeq", "2"),
                ("User-Agent", "GStreamer/1.22.0"),
                ("Accept", "application/sdp"),
                ("Date", "Tue, 07 Nov 2023 12:00:00 GMT"),
            ],
        ),
        (
            "PLAY rtsp://192.168.1.10:8554/cam1.mp4 RTSP/1.0\r\nuser-agent: AndroidXMedia3/1.4.1\r\n\
             range: npt=0.000-\r\ncseq: 5\r\nsession: A1B2C3D4\r\n\r\n",
            Method::Play,
            "rtsp://192.168.1.10:8554/cam1.mp4",
            &[("user-agent", "AndroidXMedia3/1.4.1"), ("range", "npt=0.000-"), ("cseq", "5"), ("session", "A1B2C3D4")],
        ),
        (
            "PLAY rtsp://192.168.1.10/cam1.mp4 RTSP/1.0\r\nCSeq: 6\r\nSession: 4135\r\nRange: npt=0.000000-12.500000\r\n\
             x-prebuffer: maxtime=2.000000\r\nx-transport-options: late-tolerance=10\r\n\
             User-Agent: QuickTime/7.7.3 (qtver=7.7.3;os=Windows NT 6.1)\r\n\r\n",
            Method::Play,
            "rtsp://192.168.1.10/cam1.mp4",
            &[
                ("CSeq", "6"),
                ("Session", "4135"),
                ("Range", "npt=0.000000-12.500000"),
                ("x-prebuffer", "maxtime=2.000000"),
                ("x-transport-options", "late-tolerance=10"),
                ("User-Agent", "QuickTime/7.7.3 (qtver=7.7.3;os=Windows NT 6.1)"),
            ],
        ),
        (
            "GET_PARAMETER * RTSP/1.0\nCSeq : 7\nSession:A1B2C3D4;timeout=60\n\n",
            Method::GetParameter,
            "*",
            &[("CSeq", "7"), ("Session", "A1B2C3D4;timeout=60")],
        ),
    ];
    for (text, method, url, fields) in rows {
        let expected = Request {
            method: method.clone(),
            url: (*url).to_owned(),
            version: Version::RTSP_1_0,
            headers: headers(fields),
            body: Vec::new(),
        };
        assert_eq!(request(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn lines_end_with_lf_or_crlf_or_a_mixture() {
    for text in [
        "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        "OPTIONS * RTSP/1.0\nCSeq: 1\n\n",
        "OPTIONS * RTSP/1.0\nCSeq: 1\r\n\n",
        "OPTIONS * RTSP/1.0\r\r\nCSeq: 1\r\r\n\r\r\n",
        "\r\n\n\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n\r\n\r\n",
        "OPTIONS \t *   RTSP/1.0 \r\nCSeq:\t1 \r\n\r\n",
        "OPTIONS * rtsp/1.0\r\nCSeq: 1\r\n\r\n",
    ] {
        let request = request(text.as_bytes());
        let parts = (request.method, request.url.as_str(), request.version, request.headers);
        assert_eq!(parts, (Method::Options, "*", Version::RTSP_1_0, headers(&[("CSeq", "1")])), "{text:?}");
    }
}

#[test]
fn folded_lines_go_on_with_their_header() {
    let text = "PLAY * RTSP/1.0\r\n nothing to go on with\r\nRange: npt=0-\r\n\t;time=1\r\nno header\r\n either\r\n\
                X-Empty:\r\n a\r\n \r\n b\r\nCSeq: 1\r\n\r\n";
    let expected = headers(&[("Range", "npt=0- ;time=1"), ("X-Empty", "a b"), ("CSeq", "1")]);
    assert_eq!(request(text.as_bytes()).headers, expected);
}

#[test]
fn bytes_beyond_ascii_lose_nothing() {
    let request = request(b"PLAY rtsp://h/caf\xe9/\xd0\x9a a.mp4 RTSP/1.0\r\nA: caf\xe9\r\nB: \xd0\x9a\r\n\r\n");
    assert_eq!(request.url, "rtsp://h/caf%E9/%D0%9A%20a.mp4");
    assert_eq!(request.headers, headers(&[("A", "caf\u{e9}"), ("B", "\u{41a}")]));
}

#[test]
fn pipelined_messages_bodies_and_frames_come_out_in_order() {
    // A receiver report holds zero bytes, and may hold line ends.
    let report = b"\x80\xc9\0\x01\r\n\r\n";
    let bytes = [
        b"SET_PARAMETER rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9\r\n\r\na: b\r\n\r\n\0".as_slice(),
        &frame(1, report),
        b"\r\n",
        &frame(0, b""),
        b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 2\r\n\r\nok",
        b"PLAY /a RTSP/1.0\r\nCSeq: 2\r\n\r\n",
        &frame(255, &[0; 65_535]),
    ]
    .concat();
    let play = Request {
        method: Method::Play,
        url: "/a".into(),
        version: Version::RTSP_1_0,
        headers: headers(&[("CSeq", "2")]),
        body: Vec::new(),
    };
    let set_parameter = Request {
        method: Method::SetParameter,
        url: "rtsp://h/a".into(),
        headers: headers(&[("CSeq", "1"), ("Content-Length", "9")]),
        body: b"a: b\r\n\r\n\0".to_vec(),
        ..play.clone()
    };
    let response =
        PeerResponse { code: 200, headers: headers(&[("CSeq", "9"), ("Content-Length", "2")]), body: b"ok".to_vec() };
    let expected = vec![
        Message::Request(set_parameter),
        Message::Frame(Frame { channel: 1, data: report.to_vec() }),
        Message::Frame(Frame { channel: 0, data: Vec::new() }),
        Message::Response(response),
        Message::Request(play),
        Message::Frame(Frame { channel: 255, data: vec![0; 65_535] }),
    ];
    for piece_len in [1, 2, 3, 7, 100, 1460, bytes.len()] {
        assert_eq!(decode_in_pieces(&bytes, piece_len).as_ref(), Ok(&expected), "in pieces of {piece_len}");
    }
}

#[test]
fn other_versions_are_left_to_the_server() {
    assert_eq!(request(b"OPTIONS * RTSP/2.0\r\n\r\n").version, Version::Rtsp { major: 2, minor: 0 });
}

#[test]
fn http_is_handed_over_with_whatever_follows_its_head() {
    let mut decoder = Decoder::new();
    decoder.push(b"POST /cam1.mp4 HTTP/1.0\r\nx-sessioncookie: tD9hKgAA\r\nContent-Length: 2147483647\r\n\r\nREVTQ1JJ");
    let Ok(Some(Message::Request(post))) = decoder.decode() else { panic!("{decoder:?}") };
    assert_eq!((post.method, post.url.as_str()), (Method::Extension("POST".into()), "/cam1.mp4"));
    assert!(post.version.is_http() && post.body.is_empty());
    assert_eq!(decoder.take_buffered(), b"REVTQ1JJ");
    assert_eq!(decoder.decode(), Ok(None));
    decoder.push(b"GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(decoder.decode(), Ok(Some(Message::Request(_)))));
}

#[test]
fn faults_carry_status_place_and_cseq() {
    let long_url = format!("OPTIONS /{} RTSP/1.0\r\nCSeq: 5\r\n\r\n", "a".repeat(REQUEST_LINE_LEN_MAX));
    let long_head = format!("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nA: {}\r\n\r\n", "a".repeat(HEAD_LEN_MAX));
    let endless_line = format!("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nA: {}", "a".repeat(HEAD_LEN_MAX));
    let many_headers = format!("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\n{}\r\n", "A: 1\r\n".repeat(HEADER_COUNT_MAX));
    let long_body = format!("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: {}\r\n\r\n", BODY_LEN_MAX + 1);
    let two_lengths = "OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    let rows: &[(&str, Fault, u16, Option<u32>)] = &[
        (&long_url, Fault::RequestLineTooLong, 414, Some(5)),
        (&long_url[..4100], Fault::RequestLineTooLong, 414, None),
        (&long_head, Fault::HeadTooLong, 413, Some(5)),
        (&endless_line, Fault::HeadTooLong, 413, Some(5)),
        (&many_headers, Fault::TooManyHeaders, 413, Some(5)),
        (&long_body, Fault::BodyTooLong, 413, Some(5)),
        (two_lengths, Fault::ContentLength, 400, Some(5)),
        ("OPTIONS *\r\nCSeq: 5\r\n\r\n", Fault::FirstLine, 400, Some(5)),
        ("OPTIONS RTSP/1.0\r\nCSeq: 5\r\n\r\n", Fault::FirstLine, 400, Some(5)),
        ("OPTIONS  RTSP/1.0\r\ncseq:5\r\n\r\n", Fault::FirstLine, 400, Some(5)),
        ("OPTIONS * SIP/2.0\r\nCSeq: x\r\n\r\nCSeq: 5\r\n", Fault::FirstLine, 400, None),
        ("OPT{ONS * RTSP/1.0\r\n\r\n", Fault::FirstLine, 400, None),
        ("garbage\r\n\r\n", Fault::FirstLine, 400, None),
        ("\x16\x03\x01\x02", Fault::NoMessage, 400, None),
        ("{\"json\": 1}", Fault::NoMessage, 400, None),
    ];
    for (text, expected, status, cseq) in rows {
        let error = fault(text.as_bytes());
        assert_eq!(error, DecodeError { fault: *expected, at: 0, cseq: *cseq }, "{text}");
        assert_eq!(error.status().code(), *status, "{text}");
    }
    let late = fault(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n\r\ngarbage\n\n");
    assert_eq!(late.to_string(), "malformed request line at byte 35 of the connection");
}

#[test]
fn the_limits_themselves_are_allowed() {
    let url = "a".repeat(REQUEST_LINE_LEN_MAX - "OPTIONS / RTSP/1.0".len());
    assert_eq!(request(format!("OPTIONS /{url} RTSP/1.0\n\n").as_bytes()).url.len(), url.len() + 1);
    let rest = HEAD_LEN_MAX - "OPTIONS * RTSP/1.0\r\nA: \r\n\r\n".len();
    let text = format!("OPTIONS * RTSP/1.0\r\nA: {}\r\n\r\n", "a".repeat(rest));
    assert_eq!((text.len(), request(text.as_bytes()).headers.len()), (HEAD_LEN_MAX, 1));
    let text = format!("OPTIONS * RTSP/1.0\r\n{}\r\n", "A: 1\r\n".repeat(HEADER_COUNT_MAX));
    assert_eq!(request(text.as_bytes()).headers.len(), HEADER_COUNT_MAX);
    let text = format!("OPTIONS * RTSP/1.0\r\nContent-Length: {BODY_LEN_MAX}\r\n\r\n{}", "a".repeat(BODY_LEN_MAX));
    assert_eq!(request(text.as_bytes()).body.len(), BODY_LEN_MAX);
}

#[test]
fn a_failed_decoder_keeps_failing_and_holds_nothing() {
    let mut decoder = Decoder::new();
    decoder.push(b"garbage\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n");
    let error = decoder.decode().unwrap_err();
    decoder.push(b"OPTIONS * RTSP/1.0\r\n\r\n");
    assert_eq!(decoder.decode(), Err(error));
    assert_eq!(decoder.buffer.capacity(), 0);
}

/// CVE-2007-6036: a very short request made a length negative.
#[test]
fn very_short_requests_are_refused() {
    for text in ["\r\n\r\n\r\n", "\n", ""] {
        assert_eq!(decode_all(text.as_bytes()), Ok(vec![]), "{text:?}");
    }
    for text in ["A\n\n", "A \n\n", "A B\n\n", "A B C\r\n\r\n", "RTSP/1.0\n\n", "RTSP/1.0 \n\n", ":\n\n"] {
        assert_eq!(fault(text.as_bytes()).status(), Status::BadRequest, "{text:?}");
    }
}

/// CVE-2013-6933, CVE-2013-6934: leading white space led to an endless loop and an overflow.
#[test]
fn messages_that_begin_with_white_space_are_refused() {
    for text in [" ", "\t", " OPTIONS * RTSP/1.0\r\n\r\n", "\r\n\tOPTIONS * RTSP/1.0\r\n\r\n"] {
        assert_eq!(fault(text.as_bytes()).fault, Fault::NoMessage, "{text:?}");
    }
}

/// LIVE555 2018.08.26 and CVE-2019-7733: a bogus or huge Content-Length wrapped a pointer and moved memory.
#[test]
fn bogus_content_lengths_are_refused() {
    for (value, status) in [
        ("-1", 400),
        ("+1", 400),
        ("", 400),
        ("0x10", 400),
        ("1 2", 400),
        ("65537", 413),
        ("4294967295", 413),
        ("18446744073709551615", 413),
        ("18446744073709551616", 413),
        ("99999999999999999999999999999999", 413),
    ] {
        let text = format!("SET_PARAMETER * RTSP/1.0\r\nCSeq: 3\r\nContent-Length: {value}\r\n\r\n");
        let error = fault(text.as_bytes());
        assert_eq!((error.status().code(), error.cseq), (status, Some(3)), "{value}");
    }
    let same_twice = b"SET_PARAMETER * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 01\r\n\r\nx";
    assert_eq!(request(same_twice).body, b"x");
}

/// CVE-2018-4013: repeated and long `x-sessioncookie` and `Accept` overflowed the stack.
#[test]
fn repeated_and_long_tunnel_headers_are_only_headers() {
    let repeated = "x-sessioncookie: aaaaaaaa\r\nAccept: application/x-rtsp-tunnelled\r\n".repeat(HEADER_COUNT_MAX / 2);
    let get = request(format!("GET / HTTP/1.0\r\n{repeated}\r\n").as_bytes());
    assert_eq!(get.headers.get_all("X-SessionCookie").count(), HEADER_COUNT_MAX / 2);
    let long = "a".repeat(10_000);
    let get = request(format!("GET / HTTP/1.0\r\nx-sessioncookie: {long}\r\n\r\n").as_bytes());
    assert_eq!(get.headers.get("x-sessioncookie"), Some(long.as_str()));
}

/// CVE-2019-7732, CVE-2019-9215: malformed Authorization fields were leaked or read beyond their end.
#[test]
fn malformed_authorization_arrives_as_it_is() {
    for value in ["Digest", "Digest username=\"", "Digest username=\"a\", username=\"b\", realm=", "=,=,\""] {
        let text = format!("SETUP /a RTSP/1.0\r\nAuthorization: {value}\r\n\r\n");
        assert_eq!(request(text.as_bytes()).headers.get("authorization"), Some(value));
    }
}

/// LIVE555 2026.02.13: zero bytes before the method and within CSeq were processed, and echoed.
#[test]
fn zero_bytes_in_a_head_are_refused() {
    assert_eq!(fault(b"\0OPTIONS * RTSP/1.0\r\n\r\n").fault, Fault::NoMessage);
    for text in ["OPTIONS\0 * RTSP/1.0\r\n\r\n", "OPTIONS * RTSP/1.0\r\nCSeq: 1\0\r\n\r\n", "OPTIONS * RTSP/1.0\r\nA\0"]
    {
        assert_eq!(fault(text.as_bytes()).fault, Fault::Nul, "{text:?}");
        assert_eq!(decode_in_pieces(text.as_bytes(), 1).unwrap_err().fault, Fault::Nul, "{text:?}");
    }
}

#[test]
fn memory_shrinks_back_once_a_large_message_is_through() {
    let mut decoder = Decoder::new();
    decoder.push(&frame(0, &[7; 60_000]));
    decoder.push(b"OPTIONS * RTSP");
    assert!(matches!(decoder.decode(), Ok(Some(Message::Frame(_)))));
    assert_eq!(decoder.decode(), Ok(None));
    assert!(decoder.buffer.capacity() <= BUFFER_KEEP_MAX, "{} bytes", decoder.buffer.capacity());
    decoder.push(b"/1.0\r\n\r\n");
    assert!(matches!(decoder.decode(), Ok(Some(Message::Request(_)))));
    assert_eq!(decoder.decode(), Ok(None));
    assert!(decoder.buffer.capacity() <= BUFFER_KEEP_MAX, "{} bytes", decoder.buffer.capacity());
}

/// Searching anew from the start would look at 134 million bytes here.
#[test]
fn a_head_fed_byte_by_byte_is_searched_once() {
    let text = format!("OPTIONS * RTSP/1.0\r\nA: {}", "a".repeat(HEAD_LEN_MAX - 100));
    let mut decoder = Decoder::new();
    let mut looked_at = 0;
    let mut searched_before = 0;
    for (index, byte) in text.bytes().enumerate() {
        decoder.push(&[byte]);
        assert_eq!(decoder.decode(), Ok(None));
        let State::Head { searched, .. } = decoder.state else { panic!("{:?}", decoder.state) };
        assert_eq!(searched, index + 1);
        looked_at += decoder.buffer.len() - searched_before;
        searched_before = searched;
    }
    assert_eq!(looked_at, text.len());
}

fn message_bytes() -> impl Strategy<Value = Vec<u8>> {
    let head =
        ("(OPTIONS|PLAY|X-Y)", "/[a-z%]{0,20}", "(\r\n|\n)", "[ -~]{0,30}", prop::collection::vec(any::<u8>(), 0..40));
    let request = head.prop_map(|(method, url, end, value, body)| {
        let head = format!(
            "{method} {url} RTSP/1.0{end}CSeq: 1{end}A: {value}{end} folded{end}Content-Length: {}{end}{end}",
            body.len()
        );
        [head.into_bytes(), body].concat()
    });
    let frame =
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(channel, data)| frame(channel, &data));
    let line_ends = "(\r\n){1,3}".prop_map(String::into_bytes);
    prop_oneof![request, frame, line_ends]
}

proptest! {
    #[test]
    fn any_cut_of_a_stream_decodes_to_the_same_messages(
        stream in prop::collection::vec(message_bytes(), 0..12),
        cuts in prop::collection::vec(1_usize..200, 1..30),
    ) {
        let bytes = stream.concat();
        let whole = decode_all(&bytes).unwrap();
        prop_assert_eq!(&decode_in_pieces(&bytes, 1).unwrap(), &whole);
        let mut decoder = Decoder::new();
        let mut messages = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            decoder.push(piece);
            while let Some(message) = decoder.decode().unwrap() {
                messages.push(message);
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(messages, whole);
    }

    #[test]
    fn random_bytes_neither_panic_nor_loop(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece_len in 1_usize..300) {
        let messages = decode_in_pieces(&bytes, piece_len).unwrap_or_default();
        prop_assert!(messages.len() <= bytes.len());
    }

    #[test]
    fn damaged_messages_neither_panic_nor_loop(
        stream in prop::collection::vec(message_bytes(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        piece_len in 1_usize..300,
    ) {
        let mut bytes = stream.concat();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let messages = decode_in_pieces(&bytes, piece_len).unwrap_or_default();
        for message in messages {
            if let Message::Request(request) = message {
                let _ = crate::rtsp::Target::parse(&request.url);
            }
        }
    }
}
