// Resizing, cropping and turning against Pillow; the speed of decoding and resizing.
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <new>
#include <utility>

#include "data/preprocess.h"
#include "tests/image_fixtures.h"

using mld::Image;
using mld::Interpolation;
using mld::test::check_same;
using mld::test::fixtures;
using mld::test::fnv1a;
using mld::test::noise;
using mld::test::read_tsv;
using mld::test::shared_folder;
using mld::test::split;

// The memory that this program holds through new, and its peak: all allocations come here.
static std::atomic<size_t> now_bytes = 0, most_bytes = 0;

void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  const size_t now = now_bytes += ::malloc_usable_size(memory);
  most_bytes = std::max(most_bytes.load(), now);
  return memory;
}
void operator delete(void* memory) noexcept {
  now_bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace {

using Sizes = std::vector<std::pair<int, int>>;

Interpolation interpolation_of(const std::string& name) {
  const std::map<std::string, Interpolation> names = {{"nearest", Interpolation::nearest},
                                                      {"bilinear", Interpolation::bilinear},
                                                      {"bicubic", Interpolation::bicubic}};
  return names.at(name);
}

}  // namespace

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
  CHECK(checked == 51);
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
  const Image tall = mld::resize_to_square(noise(3, 6), 6, ResizeMode::pad, bilinear);
  check_same(mld::crop(tall, {.x = 1, .width = 3, .height = 6}), noise(3, 6), "left margin 1 of 3");
  CHECK(*tall.pixel(0, 5) == 0);
  CHECK(tall.pixel(5, 0)[2] == 0);
  CHECK_THROWS_AS(mld::resize(wide, 0, 5, bilinear), mld::Error);
  CHECK_THROWS_AS(mld::crop(wide, {.width = 0, .height = 5}), mld::Error);
}

TEST_CASE("reduced: at most so many pixels a side, of the picture's shape") {
  for (const auto& [width, height, w, h] :
       {std::array{100, 50, 20, 10}, {50, 100, 10, 20}, {1000, 1, 20, 1}, {20, 7, 20, 7}}) {
    const Image small = mld::reduced(Image(width, height, 90), 20);
    CHECK(small.width == w);
    CHECK(small.height == h);
    CHECK(small.rgb == Image(w, h, 90).rgb);
  }
}

TEST_CASE("resize: a window is that part of the whole") {
  const Image image = noise(57, 33);
  for (const Interpolation how :
       {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const auto& [width, height] : Sizes{{20, 90}, {57, 11}, {130, 33}, {57, 33}}) {
      const mld::CropBox box = {.x = 7, .y = 3, .width = 9, .height = 6};
      check_same(mld::resize(image, width, height, how, box),
                 mld::crop(mld::resize(image, width, height, how), box), "window");
    }
  }
  const auto crop_of = [](const Image& from, int size) {
    return mld::resize_to_square(from, size, mld::ResizeMode::crop, Interpolation::bicubic);
  };
  for (const auto& [width, height] : Sizes{{57, 33}, {33, 57}, {100, 7}, {5, 64}, {20, 20}}) {
    const Image from = noise(width, height);
    check_same(crop_of(from, 20),
               mld::center_crop(mld::resize_shorter_side(from, 20, Interpolation::bicubic), 20, 20),
               "crop");
  }
  // timm's crop_pct: one crop, from the larger picture.
  for (const auto& [width, height] : Sizes{{57, 33}, {33, 58}, {20, 20}}) {
    const Image from = noise(width, height);
    const auto part_of = [&](mld::ResizeMode mode) {
      return mld::to_square(from, {.image_size = 20, .resize = mode, .crop_pct = 0.875});
    };
    check_same(part_of(mld::ResizeMode::crop),
               mld::center_crop(mld::resize_shorter_side(from, 22, Interpolation::bilinear), 20,
                                20), "crop of 22");
    check_same(part_of(mld::ResizeMode::squash),
               mld::crop(mld::resize(from, 22, 22, Interpolation::bilinear),
                         {.x = 1, .y = 1, .width = 20, .height = 20}), "squash to 22");
    check_same(part_of(mld::ResizeMode::pad),
               mld::crop(mld::resize_to_square(from, 22, mld::ResizeMode::pad,
                                               Interpolation::bilinear),
                         {.x = 1, .y = 1, .width = 20, .height = 20}), "pad to 22");
  }
  CHECK_THROWS_AS(mld::resize(image, 20, 20, Interpolation::bilinear, {.x = 15, .width = 6,
                                                                       .height = 5}), mld::Error);
}

TEST_CASE("resize: a line of pixels takes no more memory than itself and the result") {
  constexpr size_t kWorking = size_t{16} << 20;  // a band of rows and sixteen transposed ones
  for (const auto mode : {mld::ResizeMode::squash, mld::ResizeMode::crop, mld::ResizeMode::pad}) {
    for (const auto& [width, height] : Sizes{{60000, 1}, {1, 60000}, {60000, 2}}) {
      const Image line(width, height, 77);
      most_bytes = now_bytes.load();
      const size_t before = now_bytes;
      const Image square = mld::resize_to_square(line, 448, mode, Interpolation::bicubic);
      CHECK(most_bytes - before < square.rgb.size() + kWorking);
      CHECK(square.pixel(223, 223)[0] == 77);
    }
  }
  most_bytes = now_bytes.load();
  const size_t before = now_bytes;
  const Image line(60000, 1, 77);
  mld::resize(line, 26'880'000, 448, Interpolation::nearest,
              {.x = 13'439'776, .width = 448, .height = 448});
  CHECK(most_bytes - before < line.rgb.size() + 448 * 448 * 3 + kWorking);
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
