use super::*;

const OTHER: [u8; 8] = [8; 8];

/// A subpacket with its length in as few bytes as possible.
fn subpacket(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() + 1;
    let mut bytes = match length {
        0..=191 => vec![u8::try_from(length).unwrap()],
        _ => {
            let length = u16::try_from(length - 192).unwrap() + (192 << 8);
            length.to_be_bytes().to_vec()
        }
    };
    bytes.push(kind);
    bytes.extend_from_slice(content);
    bytes
}

fn made(seconds: u32) -> Vec<u8> {
    subpacket(CREATION_TIME, &seconds.to_be_bytes())
}

fn issuer(id: [u8; 8]) -> Vec<u8> {
    subpacket(ISSUER, &id)
}

/// Of a version 4 key: its id is the end of its fingerprint.
fn fingerprint(id: [u8; 8]) -> Vec<u8> {
    subpacket(ISSUER_FINGERPRINT, &[&[4; 13][..], &id].concat())
}

/// The outline of a signature of this version with these subpackets.
fn read(version: u8, hashed: &[Vec<u8>], unhashed: &[Vec<u8>]) -> Option<Outline> {
    let mut body = vec![version, kind::TEXT, 22, 10];
    for area in [hashed.concat(), unhashed.concat()] {
        match version {
            6 => body.extend_from_slice(&u32::try_from(area.len()).unwrap().to_be_bytes()),
            _ => body.extend_from_slice(&u16::try_from(area.len()).unwrap().to_be_bytes()),
        }
        body.extend_from_slice(&area);
    }
    Outline::read(&body)
}

fn by(id: [u8; 8]) -> Option<Outline> {
    Some(Outline { kind: kind::TEXT, hash: 10, made: 7, issuer: KeyId::from_bytes(id) })
}

#[test]
fn versions_4_and_6_are_read() {
    let hashed = [made(7), issuer(OTHER)];
    for version in 0..=u8::MAX {
        let expected = by(OTHER).filter(|_| matches!(version, 4 | 6));
        assert_eq!(read(version, &hashed, &[]), expected, "{version}");
    }
}

#[test]
fn who_made_it_is_said_in_several_places() {
    let id = [9; 8];
    // a key id goes first, wherever it stands
    for (hashed, unhashed, expected) in [
        (vec![made(7), fingerprint(id)], vec![], by(id)),
        (vec![made(7)], vec![issuer(id)], by(id)),
        (vec![made(7)], vec![fingerprint(id)], by(id)),
        (vec![made(7), issuer(id)], vec![issuer(OTHER)], by(id)),
        (vec![made(7), fingerprint(id)], vec![issuer(OTHER)], by(id)),
        (vec![made(7), issuer(id), fingerprint(OTHER)], vec![], by(id)),
        (vec![made(7), fingerprint(OTHER), issuer(id)], vec![], by(id)),
        (vec![made(7)], vec![], None),
        (vec![issuer(id)], vec![], None),
        (vec![issuer(id)], vec![made(7)], None),
    ] {
        assert_eq!(read(4, &hashed, &unhashed), expected, "{hashed:?}, {unhashed:?}");
    }
}

#[test]
fn the_first_date_counts_and_subpackets_of_any_length_are_passed_over() {
    assert_eq!(read(4, &[made(7), made(8), issuer(OTHER)], &[]), by(OTHER));
    for length in [0, 1, 189, 190, 191, 192, 500, 1000, 8000] {
        let notation = subpacket(20, &vec![b'x'; length]);
        assert_eq!(read(4, &[made(7), notation, issuer(OTHER)], &[]), by(OTHER), "{length}");
    }
    let long = [&[255, 0, 0, 0, 3, 20][..], b"xy"].concat();
    assert_eq!(read(4, &[made(7), long, issuer(OTHER)], &[]), by(OTHER));
    for cut in [vec![0], vec![2, 20], vec![192], vec![255, 0, 0]] {
        assert_eq!(read(4, &[made(7), issuer(OTHER), cut.clone()], &[]), None, "{cut:?}");
    }
}
