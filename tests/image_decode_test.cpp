// Decoding against the listed pictures, limits, damage and messages.
#include <sys/stat.h>

#include <cmath>
#include <map>

#include "tests/image_fixtures.h"
#include "tests/paths.h"
#include "tests/sha256.h"

using mld::Image;
using mld::test::check_same;
using mld::test::error_of;
using mld::test::fixtures;
using mld::test::read_bytes;
using mld::test::read_tsv;
using mld::test::shared_folder;

namespace {

Image decode(std::span<const uint8_t> bytes) { return mld::decode_image(bytes, "picture"); }

// Checks every picture of a folder against its expected.tsv; returns how many decoded and how many
// were refused.
std::pair<int, int> check_listed(const std::filesystem::path& folder) {
  int decoded = 0, refused = 0;
  for (const auto& row : read_tsv(folder / "expected.tsv")) {
    const std::string &file = row.at(0), &format = row.at(1), &sha = row.at(8), &note = row.at(9);
    INFO(file);
    Image image;
    const std::string error = error_of([&] { image = mld::load_image(folder / file); });
    if (format == "error" || file.starts_with("bad_") ||
        (error != "(no error)" && file == "arithmetic_coded.jpg")) {
      CHECK_MESSAGE(error.find(file) != std::string::npos, error, " ", note);
      CHECK(image.rgb.empty());
      ++refused;
      continue;
    }
    REQUIRE(error == "(no error)");
    CHECK(image.width == std::stoi(row.at(2)));
    CHECK(image.height == std::stoi(row.at(3)));
    if (sha != "-") {
      CHECK(mld::test::sha256(image.rgb).substr(0, 16) == sha);
    }
    double sum[3] = {};
    for (size_t i = 0; i < image.rgb.size(); ++i) {
      sum[i % 3] += image.rgb[i];
    }
    for (size_t c = 0; c < 3; ++c) {
      const double mean = sum[c] / (static_cast<double>(image.rgb.size()) / 3);
      CHECK(std::abs(mean - std::stod(row.at(5 + c))) < (sha == "-" ? 0.5 : 6e-4));
    }
    ++decoded;
  }
  return {decoded, refused};
}

}  // namespace

TEST_CASE("decode: the listed pictures") {
  const auto [decoded, refused] = check_listed(fixtures() / "pics");
  CHECK(decoded == 106);
  CHECK(refused == 9);
}

TEST_CASE("decode: all listed pictures") {
  if (shared_folder().empty()) {
    MESSAGE("SKIPPED: no shared folder");
    return;
  }
  const auto [decoded, refused] = check_listed(shared_folder() / "data" / "pics" / "variants");
  CHECK(decoded + refused == 74);
  CHECK(refused >= 9);
  CHECK(refused <= 10);  // arithmetic coding depends on the library
}

TEST_CASE("decode: a file cut anywhere is refused, or had all its pixels") {
  // The bytes at the end that no pixel needs: end markers (in PNG a chunk), TGA's signature, the
  // offset of TIFF's next page, EXIF.
  const std::map<std::string, size_t> closing = {
      {"JPEG", 2}, {"PNG", 12}, {"GIF", 4}, {"TGA", 26}, {"TIFF", 4}, {"exif_5.webp", 52}};
  int files = 0;
  for (const auto& row : read_tsv(fixtures() / "pics" / "expected.tsv")) {
    const std::string &file = row.at(0), &format = row.at(1);
    const std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / file);
    // The last number of a text picture stays a number without its last digits.
    const bool text = file.starts_with("format_p2") || file.starts_with("format_p3");
    if (format == "error" || text || bytes.size() > 7000) {
      continue;
    }
    const bool several = file.starts_with("format_anim") || file == "format_pages.tif";
    const std::string& kind = closing.contains(file) ? file : format;
    const size_t limit = several ? bytes.size() / 2 + 4
                                : closing.contains(kind) ? closing.at(kind) : 0;
    const Image whole = decode(bytes);
    for (size_t size = 0; size < bytes.size(); ++size) {
      INFO(file, " cut to ", size, " of ", bytes.size());
      Image image;
      if (error_of([&] { image = decode(std::span(bytes).first(size)); }) == "(no error)") {
        CHECK(bytes.size() - size <= limit);
        CHECK(image.rgb == whole.rgb);
      }
    }
    ++files;
  }
  CHECK(files == 91);
}

TEST_CASE("decode: libtiff's warnings about pixels refuse a picture") {
  std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / "format_jpeg.tif");
  constexpr std::array<uint8_t, 2> kEnd = {0xFF, 0xD9};
  const auto end = std::search(bytes.begin(), bytes.end(), kEnd.begin(), kEnd.end());
  REQUIRE(end - bytes.begin() > 200);
  std::copy(kEnd.begin(), kEnd.end(), end - 100);  // JPEG data end within the pixels
  CHECK(error_of([&] { decode(bytes); }).starts_with("picture: TIFF: Corrupt JPEG data"));
}

TEST_CASE("decode: a PNG with any byte changed is refused, or unchanged and noted") {
  const std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / "png_palette4.png");
  const Image expected = decode(bytes);
  int refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> damaged = bytes;
    damaged[i] ^= 0x10;
    Image image = expected;
    refused += error_of([&] { image = decode(damaged); }) != "(no error)" ||
               !image.facts.damage.empty();  // at the end marker
    CHECK(image.rgb == expected.rgb);
  }
  CHECK(refused == static_cast<int>(bytes.size()));
}

TEST_CASE("decode: PNG metadata is checked and skipped") {
  const std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / "png_rgb8.png");
  const auto with = [&](std::string chunk) {  // behind the 33 bytes of signature and header
    std::vector<uint8_t> png = bytes;
    png.insert(png.begin() + 33, chunk.begin(), chunk.end());
    return png;
  };
  using std::string_literals::operator""s;
  // A short text, a broken colour profile; neither changes a pixel.
  const std::string text = "\x00\x00\x00\x07tEXtTitle\x00x" "\x29\x7E\x4D\x3A"s;
  const std::string profile = "\x00\x00\x00\x0AiCCPx\x00\x00garbage" "\xE8\x5F\x62\x90"s;
  check_same(decode(with(text)), decode(bytes), "text");
  check_same(decode(with(profile)), decode(bytes), "profile");
}

TEST_CASE("decode: messages") {
  const auto pics = fixtures() / "pics";
  const auto message = [&](const std::string& file, const mld::ImageLimits& limits = {}) {
    const auto bytes = read_bytes(pics / file);
    return error_of([&] { mld::decode_image(bytes, file, {.limits = limits}); });
  };
  CHECK(message("bad_empty.jpg") == "bad_empty.jpg: the file is empty, expected a picture");
  CHECK(message("bad_text.jpg") ==
        "bad_text.jpg: not a picture format we know (it starts with byte 0x74); expected JPEG, "
        "PNG, GIF, BMP, PNM, TGA, WebP or TIFF");
  CHECK(message("bad_truncated_60pct.jpg") ==
        "bad_truncated_60pct.jpg: JPEG: Premature end of JPEG file");
  CHECK(message("bad_png_truncated.png") ==
        "bad_png_truncated.png: PNG: the file ends early");
  CHECK(message("bad_png_huge_dimensions.png") ==
        "bad_png_huge_dimensions.png: PNG: 100000 x 100000 pixels, at most 65535 a side are read");
  CHECK(message("size_17x31.jpg", {.max_pixels = 17 * 31 - 1}) ==
        "size_17x31.jpg: JPEG: 17 x 31 pixels, at most 526 are read (data.max_pixels; predict "
        "--max-pixels)");
  CHECK(message("size_17x31.jpg", {.max_pixels = 17 * 31}) == "(no error)");
  CHECK(message("size_17x31.jpg", {.max_side = 30}) ==
        "size_17x31.jpg: JPEG: 17 x 31 pixels, at most 30 a side are read");
  CHECK(message("size_17x31.jpg", {.max_file_bytes = 1041}) ==
        "size_17x31.jpg: 1042 bytes, at most 1041 are read");
  CHECK(message("gray_progressive.jpg", {.max_scans = 2}) ==
        "gray_progressive.jpg: JPEG: more than 2 scans");
  CHECK(message("gray_progressive.jpg", {.max_scans = 6}) == "(no error)");
}

TEST_CASE("load: what is not a readable file") {
  const auto folder = std::filesystem::path(mld::test::binary_dir()) / "image_decode_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto message = [&](const std::string& name) {
    return error_of([&] { mld::load_image(folder / name); });
  };
  CHECK(message("missing.jpg").find("missing.jpg: cannot open") != std::string::npos);
  CHECK(message("").find("is a folder") != std::string::npos);
  REQUIRE(::mkfifo((folder / "pipe.jpg").c_str(), 0600) == 0);
  CHECK(message("pipe.jpg").find("pipe.jpg: is not a regular file") != std::string::npos);
  std::ofstream(folder / "large.jpg") << "x";
  std::filesystem::resize_file(folder / "large.jpg", (uintmax_t{256} << 20) + 1);  // sparse
  CHECK(message("large.jpg").find("268435457 bytes, at most 268435456") != std::string::npos);
  std::filesystem::remove_all(folder);
}
