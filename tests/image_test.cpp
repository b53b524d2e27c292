// Decoding against the listed pictures, resizing against Pillow, limits and damage.
#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <map>

#include "core/error.h"
#include "data/image_ops.h"
#include "tests/image_fixtures.h"
#include "tests/paths.h"
#include "tests/sha256.h"

using mld::Image;
using mld::Interpolation;
using mld::test::check_same;
using mld::test::fixtures;
using mld::test::fnv1a;
using mld::test::noise;
using mld::test::read_tsv;
using mld::test::shared_folder;
using mld::test::split;
using mld::test::to_image;

namespace {

// The message of the DataError that a call ends in.
std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const mld::DataError& error) {
    return error.what();
  }
  return "(no error)";
}

std::vector<uint8_t> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

Image decode(std::span<const uint8_t> bytes) { return mld::decode_image(bytes, "picture"); }

Interpolation interpolation_of(const std::string& name) {
  const std::map<std::string, Interpolation> names = {{"nearest", Interpolation::nearest},
                                                      {"bilinear", Interpolation::bilinear},
                                                      {"bicubic", Interpolation::bicubic}};
  return names.at(name);
}

// Checks every picture of a folder against its expected.tsv; returns how many decoded and how many
// were refused.
std::pair<int, int> check_listed(const std::filesystem::path& folder) {
  int decoded = 0, refused = 0;
  for (const auto& row : read_tsv(folder / "expected.tsv")) {
    const std::string &file = row.at(0), &format = row.at(1), &sha = row.at(8), &note = row.at(9);
    INFO(file);
    Image image;
    const std::string error = error_of([&] { image = mld::load_image(folder / file); });
    if (format == "error" || file.starts_with("bad_") || format == "WEBP" ||
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
  CHECK(decoded == 55);
  CHECK(refused == 10);
}

TEST_CASE("decode: all listed pictures") {
  if (shared_folder().empty()) {
    MESSAGE("SKIPPED: no shared folder");
    return;
  }
  const auto [decoded, refused] = check_listed(shared_folder() / "data" / "pics" / "variants");
  CHECK(decoded + refused == 74);
  CHECK(refused >= 10);
  CHECK(refused <= 11);  // arithmetic coding depends on the library
}

TEST_CASE("decode: a file cut anywhere is refused") {
  for (const std::string file : {"size_17x31.jpg", "png_palette4.png", "png_size_1x1.png",
                                 "format_rgb24.bmp", "format_p6.ppm", "format_pal5.gif"}) {
    const std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / file);
    REQUIRE_NOTHROW(decode(bytes));
    // A GIF is complete with its last pixel: behind it come an end code and three closing bytes.
    const size_t optional = file.ends_with("gif") ? 4 : 0;
    for (size_t size = 0; size + optional < bytes.size(); ++size) {
      INFO(file, " cut to ", size);
      CHECK_THROWS_AS(decode(std::span(bytes).first(size)), mld::DataError);
    }
  }
}

TEST_CASE("decode: a PNG with any byte changed is refused or unchanged") {
  const std::vector<uint8_t> bytes = read_bytes(fixtures() / "pics" / "png_palette4.png");
  const Image expected = decode(bytes);
  int refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::vector<uint8_t> damaged = bytes;
    damaged[i] ^= 0x10;
    Image image = expected;
    refused += error_of([&] { image = decode(damaged); }) != "(no error)";
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
  // Its text says little, its colour profile is broken; neither changes a pixel.
  const std::string text = "\x00\x00\x00\x07tEXtTitle\x00x" "\x29\x7E\x4D\x3A"s;
  const std::string profile = "\x00\x00\x00\x0AiCCPx\x00\x00garbage" "\xE8\x5F\x62\x90"s;
  check_same(decode(with(text)), decode(bytes), "text");
  check_same(decode(with(profile)), decode(bytes), "profile");
  std::string damaged = text;
  damaged.back() ^= 1;
  CHECK(error_of([&] { decode(with(damaged)); }).find("CRC error") != std::string::npos);
}

TEST_CASE("decode: messages") {
  const auto pics = fixtures() / "pics";
  const auto message = [&](const std::string& file, const mld::ImageLimits& limits = {}) {
    const auto bytes = read_bytes(pics / file);
    return error_of([&] { mld::decode_image(bytes, file, limits); });
  };
  const std::string advice = "; replace the picture or set data.on_bad_image = \"skip\"";
  CHECK(message("bad_empty.jpg") == "bad_empty.jpg: the file is empty, expected a picture");
  CHECK(message("bad_text.jpg") ==
        "bad_text.jpg: not a picture format we know (it starts with byte 0x74); expected JPEG, "
        "PNG, BMP, PNM or GIF");
  CHECK(message("other_webp.webp") ==
        "other_webp.webp: WebP pictures are not supported; convert it to JPEG or PNG");
  CHECK(message("bad_truncated_60pct.jpg") ==
        "bad_truncated_60pct.jpg: JPEG: Premature end of JPEG file" + advice);
  CHECK(message("bad_png_truncated.png") ==
        "bad_png_truncated.png: PNG: the file ends early" + advice);
  CHECK(message("bad_png_huge_dimensions.png") ==
        "bad_png_huge_dimensions.png: PNG: 100000 x 100000 pixels, at most 65535 a side are read" +
            advice);
  CHECK(message("size_17x31.jpg", {.max_pixels = 17 * 31 - 1}) ==
        "size_17x31.jpg: JPEG: 17 x 31 pixels, at most 526 pixels are read" + advice);
  CHECK(message("size_17x31.jpg", {.max_pixels = 17 * 31}) == "(no error)");
  CHECK(message("size_17x31.jpg", {.max_side = 30}) ==
        "size_17x31.jpg: JPEG: 17 x 31 pixels, at most 30 a side are read" + advice);
  CHECK(message("size_17x31.jpg", {.max_file_bytes = 1041}) ==
        "size_17x31.jpg: 1042 bytes, at most 1041 are read");
  CHECK(message("gray_progressive.jpg", {.max_scans = 2}) ==
        "gray_progressive.jpg: JPEG: more than 2 scans" + advice);
  CHECK(message("gray_progressive.jpg", {.max_scans = 6}) == "(no error)");
}

TEST_CASE("load: what is not a readable file") {
  const auto folder = std::filesystem::path(mld::test::binary_dir()) / "image_test";
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

TEST_CASE("resize: Pillow on other sizes") {
  int checked = 0;
  for (const auto& row : read_tsv(fixtures() / "img_hashes.tsv")) {
    if (row.at(0) != "resize") {
      continue;
    }
    INFO(row.at(1));
    const auto words = split(row.at(1), ' ');
    const auto from = split(words.at(0), 'x'), to = split(words.at(1), 'x');
    const Image image = noise(std::stoi(from.at(0)), std::stoi(from.at(1)));
    CHECK(fnv1a(mld::resize(image, std::stoi(to.at(0)), std::stoi(to.at(1)),
                            interpolation_of(words.at(2)))) == row.at(2));
    ++checked;
  }
  CHECK(checked == 45);
}

TEST_CASE("resize: to a square") {
  using mld::ResizeMode;
  const Image wide = noise(40, 20);
  const auto bilinear = Interpolation::bilinear;
  check_same(mld::resize_to_square(wide, 10, ResizeMode::squash, bilinear),
             mld::resize(wide, 10, 10, bilinear), "squash");
  check_same(mld::resize_to_square(wide, 10, ResizeMode::crop, bilinear),
             mld::crop(mld::resize(wide, 20, 10, bilinear), {.x = 5, .width = 10, .height = 10}),
             "crop");
  const Image padded = mld::resize_to_square(wide, 11, ResizeMode::pad, bilinear);
  const Image inner = mld::resize(wide, 11, 6, bilinear);  // 5.5 rounds to the even 6
  check_same(mld::crop(padded, {.y = 2, .width = 11, .height = 6}), inner, "pad");
  for (const int y : {0, 1, 8, 9, 10}) {
    CHECK(std::all_of(padded.pixel(0, y), padded.pixel(0, y) + 33, [](int v) { return v == 0; }));
  }
  const Image tall = mld::pad_to_square(noise(3, 6), {9, 8, 7});
  check_same(mld::crop(tall, {.x = 1, .width = 3, .height = 6}), noise(3, 6), "left margin 1 of 3");
  CHECK(*tall.pixel(0, 5) == 9);
  CHECK(tall.pixel(5, 0)[2] == 7);
  CHECK_THROWS_AS(mld::resize(wide, 0, 5, bilinear), mld::Error);
  CHECK_THROWS_AS(mld::crop(wide, {.width = 0, .height = 5}), mld::Error);
}

TEST_CASE("speed: decoding and resizing a photograph") {
  const auto path = shared_folder() / "data" / "pics" / "variants" / "baseline_420_full.jpg";
  if (shared_folder().empty()) {
    MESSAGE("SKIPPED: no shared folder");
    return;
  }
  using Clock = std::chrono::steady_clock;
  std::vector<double> decode_ms, resize_ms;
  for (int i = 0; i < 40; ++i) {
    const auto start = Clock::now();
    const Image image = mld::load_image(path);
    const auto decoded = Clock::now();
    CHECK(mld::resize(image, 224, 224, Interpolation::bilinear).width == 224);
    const std::chrono::duration<double, std::milli> first = decoded - start,
                                                    second = Clock::now() - decoded;
    decode_ms.push_back(first.count());
    resize_ms.push_back(second.count());
  }
  const auto median = [](std::vector<double>& v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
  };
  const double decode = median(decode_ms), resize = median(resize_ms);
  MESSAGE("500 x 332 JPEG, one core: decode ", decode, " ms, resize to 224 ", resize, " ms, ",
          1000 / (decode + resize), " pictures/s");
}
