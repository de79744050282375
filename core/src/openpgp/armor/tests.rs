use super::*;

const KIND: &str = "PGP SIGNATURE";

fn block(body: &str) -> String {
    format!("-----BEGIN {KIND}-----\n{body}-----END {KIND}-----\n")
}

#[test]
fn what_is_written_is_read() {
    for length in [0, 1, 2, 3, 47, 48, 49, 96, 1000] {
        let packets: Vec<u8> = (0..length).map(|number| u8::try_from(number % 251).unwrap()).collect();
        let text = encode(&packets, KIND);
        assert!(text.lines().all(|line| line.len() <= 64), "{text}");
        assert_eq!(decode(text.as_bytes(), KIND).unwrap(), (packets.clone(), &b""[..]));
        assert_eq!(self::packets(text.replace('\n', "\r\n").as_bytes(), KIND).unwrap(), packets);
    }
}

#[test]
fn the_checksum_is_the_one_of_the_standard() {
    assert_eq!(crc24(b""), [0xB7, 0x04, 0xCE]);
    assert_eq!(crc24(b"123456789"), [0x21, 0xCF, 0x02]);
}

#[test]
fn forms_that_are_read() {
    for body in [
        "\nAAEC\n",
        "\nAA\nEC\n",
        "\nAAEC\n=aaaa\n",
        "Version: GnuPG v2\nComment: it's \u{e4}\nEmpty:\n\nAAEC\n",
        "  \nAAEC \n",
        "\nAAEC\n\n",
    ] {
        assert_eq!(decode(block(body).as_bytes(), KIND).unwrap().0, [0, 1, 2], "{body:?}");
    }
}

#[test]
fn forms_that_are_refused() {
    for (text, expected) in [
        (String::new(), ArmorError::NoBegin),
        (format!(" {}", block("\nAAEC\n")), ArmorError::NoBegin),
        (block("\nAAEC\n").replace("SIGNATURE", "MESSAGE"), ArmorError::NoBegin),
        (block("AAEC\n"), ArmorError::Header { line: 2 }),
        (block("Comment : x\n\nAAEC\n"), ArmorError::Header { line: 2 }),
        (block("Comment: x\u{b}y\n\nAAEC\n"), ArmorError::Header { line: 2 }),
        (block(&format!("{}\nAAEC\n", "A: b\n".repeat(17))), ArmorError::Header { line: 18 }),
        (format!("-----BEGIN {KIND}-----\n\nAAEC\n"), ArmorError::NoEnd),
        (format!("-----BEGIN {KIND}-----\n"), ArmorError::NoEnd),
        (format!("-----BEGIN {KIND}-----\n\nAAEC\n-----END PGP MESSAGE-----\n"), ArmorError::NoEnd),
        (block("\nAAEC\n- x\n"), ArmorError::NoEnd),
        (block("\nAAE\n"), ArmorError::Base64),
        (block("\nAA EC\n"), ArmorError::Base64),
        (block("\n=aaaa\nAAEC\n"), ArmorError::Base64),
    ] {
        assert_eq!(decode(text.as_bytes(), KIND).unwrap_err(), expected, "{text:?}");
    }
    let more = block("\nAAEC\n") + "\nxyz\n";
    assert_eq!(packets(more.as_bytes(), KIND).unwrap_err(), ArmorError::Trailing { bytes: 3 });
}
