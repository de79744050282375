//! What kind of content an artifact is, decided from its name alone (artifacts.md 2 and 10).
//!
//! The table is built in: two hosts never disagree about a file. A content *encoding* is never derived from a name:
//! a `.tar.gz` announced as gzip-encoded would be unpacked by every HTTP client on the way, and its digest would no
//! longer match the chain of trust (artifacts.md 9, decision A2). The only encoding there is, is the worker's own gzip.

/// What is announced about an artifact, and whether the worker compresses it on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentType {
    /// The media type, as sent in `contentType` and in the `Content-Type` header.
    pub media_type: &'static str,
    /// Whether the worker sends a gzip form of the file, with `Content-Encoding: gzip` (artifacts.md 2.1).
    pub gzip: bool,
}

/// The type of what has no known suffix.
pub const FALLBACK: &str = "application/binary";

/// The types that are worth compressing.
const COMPRESSED: [&str; 4] = ["text/plain", "application/json", "text/html", "application/xml"];

/// Endings that decide first, in this order, case-sensitive.
const FIRST: [(&str, &str); 8] = [
    (".tar.gz", "application/x-tar"),
    (".tgz", "application/x-tar"),
    (".txt", "text/plain"),
    (".log", "text/plain"),
    (".asc", "text/plain"),
    (".diff", "text/plain"),
    (".dmg", "application/x-apple-diskimage"),
    (".xml", "application/xml"),
];

/// Suffixes that stand for two (case-sensitive).
const REWRITES: [(&str, &str); 6] = [
    ("svgz", ".svg.gz"),
    ("tgz", ".tar.gz"),
    ("taz", ".tar.gz"),
    ("tz", ".tar.gz"),
    ("tbz2", ".tar.bz2"),
    ("txz", ".tar.xz"),
];

/// Suffixes of compressed files (case-sensitive): the suffix before it names the type.
const COMPRESSIONS: [&str; 5] = ["gz", "Z", "bz2", "xz", "br"];

/// Everything else: type and suffixes, all lower case.
const TYPES: &[(&str, &[&str])] = &[
    ("application/javascript", &["js", "mjs"]),
    ("application/json", &["json"]),
    ("application/manifest+json", &["webmanifest"]),
    ("application/msword", &["doc", "dot", "wiz"]),
    ("application/n-quads", &["nq"]),
    ("application/n-triples", &["nt"]),
    ("application/octet-stream", &["a", "bin", "dll", "exe", "o", "obj", "so"]),
    ("application/oda", &["oda"]),
    ("application/pdf", &["pdf"]),
    ("application/pkcs7-mime", &["p7c"]),
    ("application/postscript", &["ai", "eps", "ps"]),
    ("application/trig", &["trig"]),
    ("application/vnd.apple.mpegurl", &["m3u", "m3u8"]),
    ("application/vnd.ms-excel", &["xlb", "xls"]),
    ("application/vnd.ms-powerpoint", &["pot", "ppa", "pps", "ppt", "pwz"]),
    ("application/wasm", &["wasm"]),
    ("application/x-bcpio", &["bcpio"]),
    ("application/x-cpio", &["cpio"]),
    ("application/x-csh", &["csh"]),
    ("application/x-dvi", &["dvi"]),
    ("application/x-gtar", &["gtar"]),
    ("application/x-hdf", &["hdf"]),
    ("application/x-hdf5", &["h5"]),
    ("application/x-latex", &["latex"]),
    ("application/x-mif", &["mif"]),
    ("application/x-netcdf", &["cdf", "nc"]),
    ("application/x-pkcs12", &["p12", "pfx"]),
    ("application/x-pn-realaudio", &["ram"]),
    ("application/x-python-code", &["pyc", "pyo"]),
    ("application/x-sh", &["sh"]),
    ("application/x-shar", &["shar"]),
    ("application/x-shockwave-flash", &["swf"]),
    ("application/x-sv4cpio", &["sv4cpio"]),
    ("application/x-sv4crc", &["sv4crc"]),
    ("application/x-tar", &["tar"]),
    ("application/x-tcl", &["tcl"]),
    ("application/x-tex", &["tex"]),
    ("application/x-texinfo", &["texi", "texinfo"]),
    ("application/x-troff", &["roff", "t", "tr"]),
    ("application/x-troff-man", &["man"]),
    ("application/x-troff-me", &["me"]),
    ("application/x-troff-ms", &["ms"]),
    ("application/x-ustar", &["ustar"]),
    ("application/x-wais-source", &["src"]),
    ("application/xml", &["rdf", "wsdl", "xpdl", "xsl"]),
    ("application/zip", &["zip"]),
    ("audio/3gpp", &["3gp", "3gpp"]),
    ("audio/3gpp2", &["3g2", "3gpp2"]),
    ("audio/aac", &["aac", "adts", "ass", "loas"]),
    ("audio/basic", &["au", "snd"]),
    ("audio/mpeg", &["mp2", "mp3"]),
    ("audio/opus", &["opus"]),
    ("audio/x-aiff", &["aif", "aifc", "aiff"]),
    ("audio/x-pn-realaudio", &["ra"]),
    ("audio/x-wav", &["wav"]),
    ("image/avif", &["avif"]),
    ("image/bmp", &["bmp"]),
    ("image/gif", &["gif"]),
    ("image/heic", &["heic"]),
    ("image/heif", &["heif"]),
    ("image/ief", &["ief"]),
    ("image/jpeg", &["jpe", "jpeg", "jpg"]),
    ("image/png", &["png"]),
    ("image/svg+xml", &["svg"]),
    ("image/tiff", &["tif", "tiff"]),
    ("image/vnd.microsoft.icon", &["ico"]),
    ("image/x-cmu-raster", &["ras"]),
    ("image/x-portable-anymap", &["pnm"]),
    ("image/x-portable-bitmap", &["pbm"]),
    ("image/x-portable-graymap", &["pgm"]),
    ("image/x-portable-pixmap", &["ppm"]),
    ("image/x-rgb", &["rgb"]),
    ("image/x-xbitmap", &["xbm"]),
    ("image/x-xpixmap", &["xpm"]),
    ("image/x-xwindowdump", &["xwd"]),
    ("message/rfc822", &["eml", "mht", "mhtml", "nws"]),
    ("text/css", &["css"]),
    ("text/csv", &["csv"]),
    ("text/html", &["htm", "html"]),
    ("text/n3", &["n3"]),
    ("text/plain", &["bat", "c", "h", "ksh", "pl", "srt", "txt"]),
    ("text/richtext", &["rtx"]),
    ("text/tab-separated-values", &["tsv"]),
    ("text/vtt", &["vtt"]),
    ("text/x-python", &["py"]),
    ("text/x-setext", &["etx"]),
    ("text/x-sgml", &["sgm", "sgml"]),
    ("text/x-vcard", &["vcf"]),
    ("text/xml", &["xml"]),
    ("video/mp4", &["mp4"]),
    ("video/mpeg", &["m1v", "mpa", "mpe", "mpeg", "mpg"]),
    ("video/quicktime", &["mov", "qt"]),
    ("video/webm", &["webm"]),
    ("video/x-msvideo", &["avi"]),
    ("video/x-sgi-movie", &["movie"]),
];

/// The content type of the artifact of this name (or path).
///
/// A file whose name says that it is already compressed keeps the type of what is in it, and is sent as it is.
pub fn of(name: &str) -> ContentType {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    if let Some((_, media_type)) = FIRST.iter().find(|(suffix, _)| file.ends_with(suffix)) {
        return ContentType { media_type, gzip: COMPRESSED.contains(media_type) };
    }
    let (stem, suffix) = split_suffix(file);
    let rewritten = REWRITES.iter().find(|(from, _)| *from == suffix).map(|(_, to)| format!("{stem}{to}"));
    let (stem, suffix) = split_suffix(rewritten.as_deref().unwrap_or(file));
    let already_compressed = COMPRESSIONS.contains(&suffix);
    let suffix = if already_compressed { split_suffix(stem).1 } else { suffix };
    let media_type =
        by_suffix(suffix).or_else(|| by_suffix(&suffix.to_ascii_lowercase())).unwrap_or(FALLBACK);
    ContentType { media_type, gzip: !already_compressed && COMPRESSED.contains(&media_type) }
}

fn by_suffix(suffix: &str) -> Option<&'static str> {
    TYPES.iter().find(|(_, suffixes)| suffixes.contains(&suffix)).map(|(media_type, _)| *media_type)
}

/// Splits at the last dot; dots that a file name begins with start no suffix (`.profile` has none).
fn split_suffix(file: &str) -> (&str, &str) {
    match file.rsplit_once('.') {
        Some((stem, suffix)) if !stem.trim_start_matches('.').is_empty() => (stem, suffix),
        _ => (file, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &'static str, bool)]) {
        for &(name, media_type, gzip) in cases {
            assert_eq!(of(name), ContentType { media_type, gzip }, "{name}");
        }
    }

    #[test]
    fn the_known_answers_of_the_specification() {
        check(&[
            ("test.txt", "text/plain", true),
            ("blah.log", "text/plain", true),
            ("chainOfTrust.asc", "text/plain", true),
            ("Firefox.dmg", "application/x-apple-diskimage", false),
            ("no_suffix", "application/binary", false),
            ("blah.tgz", "application/x-tar", false),
            ("blah.tar.gz", "application/x-tar", false),
        ]);
    }

    #[test]
    fn the_first_table_wins_over_the_second() {
        check(&[
            ("public/sbom.xml", "application/xml", true),
            ("change.diff", "text/plain", true),
            (".log", "text/plain", true),
            ("feed.XML", "text/xml", false),
            ("feed.rdf", "application/xml", true),
        ]);
    }

    #[test]
    fn an_encoding_never_comes_from_the_name() {
        check(&[
            ("foo.gz", "application/binary", false),
            ("foo.txt.gz", "text/plain", false),
            ("foo.json.br", "application/json", false),
            ("foo.tar.bz2", "application/x-tar", false),
            ("foo.tar.xz", "application/x-tar", false),
            ("foo.txz", "application/x-tar", false),
            ("foo.tz", "application/x-tar", false),
            ("logo.svgz", "image/svg+xml", false),
            ("foo.tar.Z", "application/x-tar", false),
            ("foo.tar.GZ", "application/binary", false),
        ]);
    }

    #[test]
    fn types_that_depend_on_the_host_elsewhere_are_fixed() {
        check(&[
            ("public/chain-of-trust.json", "application/json", true),
            ("public/chain-of-trust.json.sig", "application/binary", false),
            ("public/build/target.apk", "application/binary", false),
            ("README.md", "application/binary", false),
        ]);
    }

    #[test]
    fn the_case_of_a_suffix_matters_last() {
        check(&[
            ("a.ZIP", "application/zip", false),
            ("A.HTML", "text/html", true),
            ("a.Tgz", "application/binary", false),
        ]);
    }

    #[test]
    fn suffixes_belong_to_the_file_not_to_its_folders() {
        check(&[
            ("public/logs.txt/data", "application/binary", false),
            ("public/.html", "application/binary", false),
            ("public/..html", "application/binary", false),
            ("public/a.", "application/binary", false),
            ("", "application/binary", false),
        ]);
    }

    #[test]
    fn the_table_is_lower_case_and_has_each_suffix_once() {
        let mut suffixes: Vec<&str> =
            TYPES.iter().flat_map(|(_, suffixes)| suffixes.iter().copied()).collect();
        let all = suffixes.len();
        assert!(suffixes.iter().all(|suffix| *suffix == suffix.to_ascii_lowercase()));
        suffixes.sort_unstable();
        suffixes.dedup();
        assert_eq!(suffixes.len(), all);
    }
}
