// What decoding reports besides the pixels: damage that touches none of them, EXIF orientation,
// transparency and the background under it.
#include "data/exif.h"
#include "data/image_ops.h"
#include "tests/image_fixtures.h"
#include "tests/sha256.h"

using mld::Image;
using mld::test::check_same;
using mld::test::error_of;
using mld::test::fixtures;
using mld::test::read_bytes;
using mld::test::read_tsv;

namespace {

using Bytes = std::vector<uint8_t>;
using std::string_literals::operator""s;

Bytes picture(const std::string& name) { return read_bytes(fixtures() / "pics" / name); }
Image decode(std::span<const uint8_t> bytes, const mld::DecodeOptions& options = {}) {
  return mld::decode_image(bytes, "picture", options);
}
Bytes with(Bytes bytes, size_t at, const std::string& more) {
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
  return bytes;
}
Bytes without_end(Bytes bytes, size_t count) {
  bytes.resize(bytes.size() - count);
  return bytes;
}
// Where the last `mark` begins.
size_t last(const Bytes& bytes, const std::string& mark) {
  const auto at = std::find_end(bytes.begin(), bytes.end(), mark.begin(), mark.end(),
                                [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  REQUIRE(at != bytes.end());
  return static_cast<size_t>(at - bytes.begin());
}

void check_harmless(const Bytes& damaged, const Bytes& whole, const std::string& damage) {
  INFO(damage);
  Image image;
  REQUIRE(error_of([&] { image = decode(damaged); }) == "(no error)");
  check_same(image, decode(whole), damage);
  CHECK(image.facts.damage == damage);
  CHECK(decode(whole).facts.damage.empty());
}

// A PNG tEXt chunk; its checksum is right except for the bits in `wrong`.
std::string text_chunk(char wrong) {
  std::string chunk = "\x00\x00\x00\x07tEXtTitle\x00x" "\x29\x7E\x4D\x3A"s;
  chunk.back() = static_cast<char>(chunk.back() ^ wrong);
  return chunk;
}

}  // namespace

TEST_CASE("JPEG: damage outside the pixels is noted, a scan that lacks a bit is refused") {
  for (const char* name : {"size_17x31.jpg", "dct_progressive_restart.jpg", "cmyk_adobe.jpg"}) {
    INFO(name);
    const Bytes bytes = picture(name);
    check_harmless(without_end(bytes, 2), bytes, "JPEG: Premature end of JPEG file");
    const size_t second = size_t{4} + bytes[4] * size_t{256} + bytes[5];  // segment
    check_harmless(with(bytes, second, "xy"), bytes,
                   "JPEG: Corrupt JPEG data: 2 extraneous bytes before marker 0x" +
                       mld::test::hex(bytes[second + 1], 2));
    // Many stray bytes after the last scan point to a damaged scan.
    CHECK(error_of([&] { decode(with(bytes, bytes.size() - 2, std::string(20, 'x'))); })
              .ends_with("extraneous bytes before marker 0xd9"));
  }
  // Complete scans, but not all of them: pixels would be coarse. And with arithmetic coding missing
  // bits go unnoticed.
  const Bytes progressive = picture("gray_progressive.jpg");
  const size_t scan = last(progressive, "\xFF\xDA");
  CHECK(error_of([&] { decode(std::span(progressive).first(scan)); }) ==
        "picture: JPEG: Premature end of JPEG file");
  const Bytes arithmetic = picture("arithmetic_coded.jpg");
  CHECK(error_of([&] { decode(without_end(arithmetic, 2)); }) != "(no error)");
}

TEST_CASE("PNG: damage outside the pixels is noted") {
  const Bytes bytes = picture("png_rgb8.png");
  constexpr size_t kBehindHeader = 33;
  check_same(decode(with(bytes, kBehindHeader, text_chunk(0))), decode(bytes), "a good text");
  CHECK(decode(with(bytes, kBehindHeader, text_chunk(0))).facts.damage.empty());
  check_harmless(with(bytes, kBehindHeader, text_chunk(1)), bytes, "PNG: tEXt: CRC error");
  // A nonsense colour profile.
  const std::string profile = "\x00\x00\x00\x0AiCCPx\x00\x00garbage" "\xE8\x5F\x62\x90"s;
  CHECK(decode(with(bytes, kBehindHeader, profile)).rgb == decode(bytes).rgb);
  for (const size_t missing : {1, 4, 11, 12}) {
    check_harmless(without_end(bytes, missing), bytes, "PNG: the file ends early");
  }
  CHECK(error_of([&] { decode(without_end(bytes, 13)); }) == "picture: PNG: the file ends early");
  // Transparency of a wrong length matters only where transparency does.
  const Bytes alpha = picture("png_rgba8.png");
  const Bytes odd = with(alpha, kBehindHeader, "\x00\x00\x00\x01tRNS\x00\x40\xE6\xD8\x66"s);
  CHECK(decode(odd).rgb == decode(alpha).rgb);
  CHECK(error_of([&] { decode(odd, {.background = mld::Rgb{1, 2, 3}}); }).find("tRNS") !=
        std::string::npos);
}

TEST_CASE("GIF and WebP: a missing end is noted") {
  const Bytes gif = picture("format_pal5.gif");
  check_harmless(without_end(gif, 2), gif, "GIF: the end mark is missing");
  const Bytes webp = picture("exif_5.webp");
  check_harmless(without_end(webp, 3), webp,
                 "WebP: the file ends early, behind the first picture");
}

TEST_CASE("EXIF orientation is known, and applied where asked for") {
  const std::map<std::string, int> orientations = {{"exif_orientation_6.jpg", 6},
                                                   {"exif_3_big.jpg", 3},
                                                   {"exif_8.png", 8},
                                                   {"exif_5.webp", 5},
                                                   {"png_rgb8.png", 1}};
  for (const auto& [name, orientation] : orientations) {
    INFO(name);
    const Bytes bytes = picture(name);
    const Image stored = decode(bytes), turned = decode(bytes, {.turn = true});
    CHECK(stored.facts.orientation == orientation);
    CHECK(turned.facts.orientation == orientation);
    check_same(turned, mld::upright(stored, orientation), name);
    CHECK((turned.rgb == stored.rgb) == (orientation == 1));
  }
}

TEST_CASE("EXIF: damaged blocks say nothing") {
  const std::string block = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"s;
  const auto orientation = [](const std::string& text) {
    return mld::exif_orientation({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  CHECK(orientation(block) == 6);
  CHECK(orientation("Exif\0\0"s + block) == 6);
  for (size_t size = 0; size + 2 < block.size(); ++size) {
    CHECK(orientation(block.substr(0, size)) == 1);
  }
  std::string other = block;
  other[18] = 9;  // there are eight
  CHECK(orientation(other) == 1);
  other = block;
  other[4] = other[5] = other[6] = other[7] = '\xFF';  // a directory beyond the end
  CHECK(orientation(other) == 1);
}

TEST_CASE("background: Pillow's paste under alpha of every kind; without one alpha is dropped") {
  int checked = 0;
  for (const auto& row : read_tsv(fixtures() / "pics" / "background.tsv")) {
    INFO(row.at(0));
    const Bytes bytes = picture(row.at(0));
    const Image flat = decode(bytes, {.background = mld::Rgb{200, 30, 120}});
    CHECK(mld::test::sha256(flat.rgb).substr(0, 16) == row.at(1));
    const bool opaque = row.at(0) == "png_rgb8.png" || row.at(0) == "format_rgba_any.tif" ||
                        row.at(0) == "format_pal5.gif";
    CHECK(flat.facts.transparent == !opaque);
    CHECK((decode(bytes).rgb == flat.rgb) == opaque);
    ++checked;
  }
  CHECK(checked == 17);
}
