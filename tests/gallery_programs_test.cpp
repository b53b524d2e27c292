// mlinfer predict --html as a program: what the page shows, what it leaves out, what stays text.
#include <cmath>

#include "app/attention_map.h"
#include "data/image_ops.h"
#include "data/text.h"
#include "tests/bright_model.h"
#include "tests/page_check.h"
#include "tests/program.h"
#include "tests/tiny_clip.h"
#include "train/thresholds.h"

namespace mld::test {
namespace {

struct Ran {
  int code;
  std::string out, err;
  double peak_gib;
};

Ran ran(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "predict");
  const Program program("mlinfer", arguments, folder, 0, folder.path());
  const int code = program.wait();
  return {code, program.out(), program.err(), program.peak_gib()};
}

std::string page_of(const TemporaryFolder& folder) {
  const std::string page = read_file(folder.path() / "page.html");
  CHECK(page.ends_with("</html>\n"));
  CHECK(page.size() <= 8'000'000);
  return page;
}

// The middle of what is almost as light as the lightest pixel, in shares of the sides.
std::pair<double, double> light_spot(const Image& picture) {
  const std::vector<uint8_t> light = luma(picture);
  const int top = *std::ranges::max_element(light);
  double x_sum = 0, y_sum = 0, count = 0;
  for (size_t i = 0; i < light.size(); ++i) {
    if (light[i] > 0.9 * top) {
      x_sum += static_cast<double>(i % static_cast<size_t>(picture.width)) + 0.5;
      y_sum += static_cast<double>(i / static_cast<size_t>(picture.width)) + 0.5;
      ++count;
    }
  }
  return {x_sum / count / picture.width, y_sum / count / picture.height};
}

// Random pixels, which no encoder makes small.
void write_noise(const TemporaryFolder& folder, const std::string& name, int side) {
  std::string pixels;
  uint32_t state = 1;
  for (int i = 0; i < 3 * side * side; ++i) {
    state = state * 1664525 + 1013904223;
    pixels += static_cast<char>(state >> 24);
  }
  folder.write(name, fmt::format("P6 {} {} 255\n", side, side) + pixels);
}

}  // namespace

TEST_CASE("gallery: pictures, labels, scores, thresholds; stdout as without it") {
  const TemporaryFolder folder;
  Bright bright({"bright", "dark", "dim"});
  element(bright.state, "head.decoder.duplicate_pooling_bias", 0) = 1;  // scores 0.73, 0.5, 0.27
  element(bright.state, "head.decoder.duplicate_pooling_bias", 2) = -1;
  bright.info.thresholds = {0.625, 0.5, 0.9};
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "wide.ppm", 600, 150, 0, 0, kPatch);
  write_spot(folder, "small.ppm", 30, 40, 0, 0, kPatch);
  for (const std::string format : {"", "--json", "--csv"}) {
    std::vector<std::string> plain{checkpoint, "wide.ppm", "small.ppm", "--top-k", "3"};
    if (!format.empty()) {
      plain.push_back(format);
    }
    std::vector<std::string> with = plain;
    with.insert(with.end(), {"--html", "page.html"});
    const Ran run = ran(folder, with);
    CHECK(run.code == 0);
    CHECK(run.out == ran(folder, plain).out);
    CHECK(run.err == "mlinfer: page.html: 2 pictures\n");
  }
  const std::string page = page_of(folder);
  const std::vector<Image> pictures = pictures_of(page);
  REQUIRE(pictures.size() == 2);
  CHECK(pictures[0].width == 256);
  CHECK(pictures[0].height == 64);
  CHECK(pictures[1].width == 30);  // a small one stays as it is
  CHECK(count(page, "<h1><bdi title=\"Labels of 2 pictures\"") == 1);
  CHECK(count(page, "<bdi title=\"wide.ppm\">wide.ppm</bdi>") == 1);
  CHECK(count(page, "<li class=\"above\">") == 4);
  CHECK(count(page, "<li class=\"below\">") == 2);
  CHECK(count(page, ">73.1 %\n<span class=\"soft\">≥ 62.5</span>") == 2);
  CHECK(count(page, ">26.9 %\n<span class=\"soft\">&lt; 90.0</span>") == 2);
  CHECK(count(page, "<rect class=\"tick\" x=\"62.5\"") == 2);
  CHECK(count(page, "<td class=\"number\">2</td>") == 2);  // pictures with bright and dark
  CHECK(count(page, "Colours from dark purple") == 0);
  CHECK(count(page, "training did not show") == 0);

  // A class that is never predicted has no line in its bar.
  bright.info.thresholds = {0.625, kNever, 0.9};
  CHECK(ran(folder, {bright.save(folder), "wide.ppm", "--top-k", "3", "--html",
                     "page.html"}).code == 0);
  CHECK(count(page_of(folder), "<span class=\"soft\">never</span>") == 1);
  CHECK(count(page_of(folder), "class=\"tick\"") == 2);
  CHECK(count(page_of(folder), "200.0") == 0);
  bright.info.thresholds[1] = 0.5;
  bright.save(folder);

  // The labels asked for; one threshold for all.
  CHECK(ran(folder, {checkpoint, "wide.ppm", "--labels", "dim,bright", "--threshold", "0.8",
                     "--html", "page.html"}).code == 0);
  CHECK(count(page_of(folder), "title=\"bright\"") == 1);
  CHECK(count(page_of(folder), "&lt; 80.0") == 1);
  CHECK(count(page_of(folder), "title=\"dark\"") == 0);
}

TEST_CASE("gallery: one label a picture; labels that training did not show") {
  const TemporaryFolder folder;
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  Bright bright({"bright", "dark"});
  bright.info.task = Task::single_label;
  CHECK(ran(folder, {bright.save(folder), "a.ppm", "--html", "page.html"}).code == 0);
  CHECK(count(page_of(folder), "50.0 %") == 1);
  CHECK(count(page_of(folder), "class=\"tick\"") == 0);
  CHECK(count(page_of(folder), "<dd><bdi>the best one, of 2</bdi></dd>") == 1);

  CheckpointInfo info;
  info.task = Task::zero_shot;
  info.preprocess.image_size = 32;
  info.model = {.backbone = "resnet18", .classes = 2, .word_dim = 2, .embed_dim = 16, .ffn = 8,
                .query = QueryKind::nlp, .pooling = PoolingKind::shared};
  info.set_label_space({.names = {"cat", "dog", "yak"}, .seen = {true, true, false},
                        .vectors = Tensor::from({3, 2}, std::vector<float>{1, 0, 0, 1, 0, -1})},
                       true);
  const auto model = make_model(info.model);
  initialize(*model, 7);
  save_model(folder.path() / "words.safetensors", state_dict(*model), info);
  CHECK(ran(folder, {"words.safetensors", "a.ppm", "--top-k", "3", "--html", "page.html",
                     "--attention"}).code == 0);
  const std::string page = page_of(folder);
  CHECK(count(page, "<abbr title=\"not seen in training\">*</abbr></span>") == 1);
  CHECK(count(page, "training did not show") == 1);
  CHECK(pictures_of(page).size() == 4);
}

TEST_CASE("gallery: attention lies where the model looks, however pictures are resized") {
  const TemporaryFolder folder;
  Bright bright({"bright", "dark"});
  write_spot(folder, "wide.ppm", 128, 64, 72, 16, 16);
  for (const ResizeMode mode : {ResizeMode::squash, ResizeMode::crop, ResizeMode::pad}) {
    CAPTURE(word(mode));
    bright.info.preprocess.resize = mode;
    const Ran run = ran(folder, {bright.save(folder), "wide.ppm", "--top-k", "2", "--html",
                                 "page.html", "--attention"});
    REQUIRE(run.code == 0);
    const std::vector<Image> pictures = pictures_of(page_of(folder));
    REQUIRE(pictures.size() == 3);  // the picture, and a map a label
    CHECK(pictures[0].width == 128);
    CHECK(pictures[1].width == 64);
    CHECK(pictures[1].height == 32);
    const auto [x, y] = light_spot(pictures[1]);
    CHECK(std::abs(x - 80.0 / 128) < 0.06);
    CHECK(std::abs(y - 24.0 / 64) < 0.1);
    const uint8_t* corner = pictures[1].pixel(2, 16);
    CHECK((corner[0] + corner[1] + corner[2] < 30) == (mode == ResizeMode::crop));
  }
  const std::string page = page_of(folder);
  CHECK(count(page, "<li class=\"above mapped\">") == 2);
  CHECK(count(page, "alt=\"Where the model looks for bright\"") == 1);
  CHECK(count(page, "the same map for") == 0);
  CHECK(count(page, "the mean of 8 heads") == 1);
}

TEST_CASE("gallery: classes that share a query say so; a batch's pictures keep their maps") {
  const TemporaryFolder folder;
  const Bright groups({"a", "b", "c", "d", "e"}, 2);
  const std::string checkpoint = groups.save(folder);
  write_spot(folder, "p.ppm", kSide, kSide, 0, 0, kPatch);
  REQUIRE(ran(folder, {checkpoint, "p.ppm", "--html", "page.html", "--attention"}).code == 0);
  const std::string page = page_of(folder);
  CHECK(count(page, ">the same map for b, c</bdi>") == 1);
  CHECK(count(page, ">the same map for a, b</bdi>") == 1);
  CHECK(count(page, ">the same map for e</bdi>") == 1);

  const std::string two = Bright({"bright", "dark"}).save(folder, "two");
  std::vector<std::string> arguments{two};
  for (int i = 0; i < 10; ++i) {  // a whole batch and a part of one
    arguments.push_back(fmt::format("{}.ppm", i));
    write_spot(folder, arguments.back(), kSide, kSide, kPatch * (i % 8), kPatch * (i / 2), kPatch);
  }
  arguments.insert(arguments.end(), {"--html", "page.html", "--attention", "--labels", "bright"});
  REQUIRE(ran(folder, arguments).code == 0);
  const std::vector<Image> pictures = pictures_of(page_of(folder));
  REQUIRE(pictures.size() == 20);
  for (size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    const auto [x, y] = light_spot(pictures[2 * i + 1]);
    const auto [picture_x, picture_y] = light_spot(pictures[2 * i]);
    CHECK(std::abs(x - picture_x) < 0.04);
    CHECK(std::abs(y - picture_y) < 0.04);
  }
}

TEST_CASE("gallery: names of classes and files stay text; what cannot be read is said") {
  const TemporaryFolder folder;
  std::vector<std::string> names;
  std::ranges::copy_if(kHostile, std::back_inserter(names), is_utf8);
  const std::string checkpoint = Bright(names).save(folder);
  fs::create_directories(folder.path() / "in");
  for (size_t i = 0; i < kHostile.size(); ++i) {
    std::string name = fmt::format("{}{:.200}", i, kHostile[i]);
    std::ranges::replace(name, '/', '_');
    write_spot(folder, "in/" + name + ".ppm", kSide, kSide, 0, 0, kPatch);
    folder.write("in/" + name + ".png", "nothing that is a picture");
  }
  const Ran run = ran(folder, {checkpoint, "in", "--html", "page.html", "--attention"});
  CHECK(run.code == 3);
  CHECK(run.err.ends_with(fmt::format("page.html: {} pictures\n", kHostile.size())));
  const std::string page = page_of(folder);
  check_page(page);
  CHECK(count(page, fmt::format("<dd><bdi>{0}, and {0} that could not be read</bdi></dd>",
                                kHostile.size())) == 1);
  CHECK(count(page, "<p class=\"warning\">") == kHostile.size());
  CHECK(count(page, "<figure class=\"card overlay\">") == kHostile.size());
}

TEST_CASE("gallery: at most 8 MB, in memory that does not grow; what is left out is said") {
  const TemporaryFolder folder;
  const std::string checkpoint = Bright({"bright", "dark"}).save(folder);
  write_noise(folder, "noise.ppm", 100);
  const auto made_of = [&](int pictures) {
    const fs::path many = folder.path() / std::to_string(pictures);
    fs::create_directories(many);
    for (int i = 0; i < pictures; ++i) {
      fs::create_hard_link(folder.path() / "noise.ppm",
                           many / fmt::format("{:05}{}.ppm", i, std::string(200, '"')));
    }
    const Ran run = ran(folder, {checkpoint, many.string(), "--html", "page.html", "--attention",
                                 "--csv", "--top-k", "1"});
    CHECK(run.code == 0);
    CHECK(count(run.out, "\n") == static_cast<size_t>(pictures) + 1);
    const std::string page = page_of(folder);
    CHECK(page.size() > 5'000'000);
    const size_t shown = count(page, "<figure class=\"card");
    const std::string left_out = counted(pictures - static_cast<int>(shown), "picture");
    CHECK(contains(page, "Left out to keep this file below 8 MB: " + left_out + "."));
    CHECK(contains(run.err, fmt::format("{} pictures, {} more do not fit into 8 MB", shown,
                                        pictures - static_cast<int>(shown))));
    CHECK(contains(page, fmt::format("<td class=\"number\">{}</td>", pictures)));  // of all
    return 1024 * run.peak_gib;
  };
  const double few = made_of(500), many = made_of(1000);
  MESSAGE("500 pictures: ", few, " MiB; 1000: ", many, " MiB");
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(many < few + 8);
#endif
}

TEST_CASE("errors: gallery") {
  const TemporaryFolder folder;
  const Bright bright({"bright", "dark"});
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  fs::create_directories(folder.path() / "folder.html");
  const auto check = [&](int code, const std::string& message,
                         const std::vector<std::string>& arguments) {
    const Ran run = ran(folder, arguments);
    CHECK(run.code == code);
    CHECK(contains(run.err, message));
    CHECK(run.out.empty());
  };
  check(2, "mlinfer attention draws it into pictures of their own",
        {checkpoint, "a.ppm", "--attention"});
  check(2, "--html: expected the name of the page", {checkpoint, "a.ppm", "--html", ""});
  check(2, "folder.html is a folder", {checkpoint, "a.ppm", "--html", "folder.html"});
  check(2, "there is no folder no", {checkpoint, "a.ppm", "--html", "no/page.html"});
  check(2, "a.ppm is one of the pictures", {checkpoint, "a.ppm", "--html", "a.ppm"});
  check(2, "is the checkpoint", {checkpoint, "a.ppm", "--html", checkpoint});
  write_clip(folder);
  const std::vector<std::string> clip{"clip.safetensors", "a.ppm",      "--labels", "dog,cat",
                                      "--vocabulary",     "bpe.txt",    "--html",   "page.html",
                                      "--attention"};
  check(2, "attention: a CLIP has none", clip);
  CheckpointInfo info = bright.info;
  info.model = {.backbone = "resnet18", .head = "gap", .classes = 2};
  const auto model = make_model(info.model);
  initialize(*model, 7);
  save_model(folder.path() / "gap.safetensors", state_dict(*model), info);
  check(2, "attention: the head gap has none",
        {"gap.safetensors", "a.ppm", "--html", "page.html", "--attention"});
  CHECK_FALSE(fs::exists(folder.path() / "page.html"));
  CHECK(ran(folder, {"gap.safetensors", "a.ppm", "--html", "page.html"}).code == 0);
  CHECK(ran(folder, {clip.begin(), clip.end() - 1}).code == 0);
  CHECK(count(page_of(folder), "title=\"dog\"") + count(page_of(folder), "title=\"cat\"") == 2);
}

}  // namespace mld::test
