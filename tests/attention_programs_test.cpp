// mlinfer attention as a program: a model that is made to look at what is bright finds it.
#include <rapidjson/document.h>

#include <algorithm>
#include <cmath>

#include "app/attention_map.h"
#include "tests/bright_model.h"
#include "tests/program.h"

namespace mld::test {
namespace {

struct Ran {
  int code;
  std::string out, err;
};

Ran ran(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "attention");
  const Program program("mlinfer", arguments, folder, 0, folder.path());
  const int code = program.wait();
  return {code, program.out(), program.err()};
}

rapidjson::Document parsed(const Ran& run) {
  REQUIRE(run.code == 0);
  rapidjson::Document json;
  json.Parse(run.out.c_str());
  REQUIRE(json.IsObject());
  return json;
}

// The middle of the pixels that have the colour of the largest weight, or almost.
std::pair<double, double> hot_spot(const Image& map) {
  const Rgb most = heat_colour(1);
  double x_sum = 0, y_sum = 0, count = 0;
  for (int y = 0; y < map.height; ++y) {
    for (int x = 0; x < map.width; ++x) {
      const uint8_t* p = map.pixel(x, y);
      if (std::abs(p[0] - most[0]) + std::abs(p[1] - most[1]) + std::abs(p[2] - most[2]) < 40) {
        x_sum += x + 0.5;
        y_sum += y + 0.5;
        ++count;
      }
    }
  }
  REQUIRE(count > 0);
  return {x_sum / count, y_sum / count};
}

}  // namespace

TEST_CASE("attention: the map lies on what the query looks for, however pictures are resized") {
  const TemporaryFolder folder;
  Bright bright({"bright", "dark"});
  // 128 x 64 pixels: squashed and padded whole, cropped to the middle [32, 96).
  write_spot(folder, "wide.ppm", 128, 64, 72, 16, 16);
  for (const auto& [mode, crop_pct] : {std::pair{ResizeMode::squash, 1.0}, {ResizeMode::crop, 1.0},
                                       {ResizeMode::pad, 1.0}, {ResizeMode::squash, 0.5},
                                       {ResizeMode::pad, 0.8}}) {
    CAPTURE(word(mode));
    CAPTURE(crop_pct);
    bright.info.preprocess.resize = mode;
    bright.info.preprocess.crop_pct = crop_pct;
    const std::string checkpoint = bright.save(folder);
    const Ran run = ran(folder, {checkpoint, "wide.ppm", "--label", "bright", "--out", "map.png",
                                 "--opacity", "1", "--head", "0"});
    REQUIRE(run.code == 0);
    CHECK(run.err.empty());
    CHECK(contains(run.out, "wide.ppm\n"));
    CHECK(contains(run.out, " + bright  map.png, at most "));
    const Image map = load_image(folder.path() / "map.png");
    CHECK(map.width == 128);
    CHECK(map.height == 64);
    const auto [x, y] = hot_spot(map);
    CHECK(std::abs(x - 80) < 8);  // the spot's middle, and less than half its side
    CHECK(std::abs(y - 24) < 8);
    const bool left_seen = mode != ResizeMode::crop && crop_pct == 1;
    const uint8_t* corner = map.pixel(2, 32);
    CHECK((corner[2] > corner[0]) == left_seen);  // blue, else a dark grey
  }
}

TEST_CASE("attention: weights as JSON, several labels, one head or their mean") {
  const TemporaryFolder folder;
  Bright bright({"bright", "dark", "dim"});
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "a.ppm", kSide, kSide, 5 * kPatch, 2 * kPatch, kPatch);
  const auto json = parsed(ran(folder, {checkpoint, "a.ppm", "--label", "dark", "--label",
                                        "bright", "--out", "maps", "--json"}));
  CHECK(std::string(json["head"].GetString()) == "mean");
  CHECK(json["heads"].GetInt() == 8);
  REQUIRE(json["labels"].Size() == 2);
  for (const auto& label : json["labels"].GetArray()) {
    const std::string name = label["name"].GetString();
    CAPTURE(name);
    CHECK(label["query"].GetInt() == (name == "bright" ? 0 : 1));
    CHECK(label["shared_by"].Size() == 1);
    CHECK_FALSE(label.HasMember("seen"));  // the model's classes are fixed
    CHECK(fs::is_regular_file(folder.path() / label["out"].GetString()));
    REQUIRE(label["weights"].Size() == kCells);
    double sum = 0, most = 0;
    for (const auto& row : label["weights"].GetArray()) {
      REQUIRE(row.Size() == kCells);
      for (const auto& weight : row.GetArray()) {
        sum += weight.GetDouble();
        most = std::max(most, weight.GetDouble());
      }
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-4));
    CHECK(label["peak"].GetDouble() == doctest::Approx(64 * most).epsilon(1e-3));
    const auto weight = [&](int row, int column) {
      return label["weights"][row][column].GetDouble();
    };
    CHECK((weight(2, 5) > weight(0, 0)) == (name == "bright"));
  }
  // Only head 0 looks anywhere: the others read all alike.
  const auto weight = [&](const std::string& head) {
    const auto one = parsed(ran(folder, {checkpoint, "a.ppm", "--label", "bright", "--json",
                                         "--head", head}));
    return one["labels"][0]["weights"][2][5].GetDouble();
  };
  const double even = 1.0 / (kCells * kCells);
  CHECK(weight("7") == doctest::Approx(even).epsilon(1e-5));
  CHECK(8 * weight("mean") == doctest::Approx(weight("0") + 7 * even).epsilon(1e-5));
  CHECK(fs::is_regular_file(folder.path() / "a.attention.png"));  // where none was named
}

TEST_CASE("attention: without --label the labels that predict shows; bfloat16") {
  const TemporaryFolder folder;
  Bright bright({"bright", "dark", "dim"});
  element(bright.state, "head.decoder.duplicate_pooling_bias", 0) = 1;
  element(bright.state, "head.decoder.duplicate_pooling_bias", 2) = -1;
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  const auto names = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{checkpoint, "a.ppm", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::string all;
    const rapidjson::Document result = parsed(ran(folder, arguments));
    for (const auto& label : result["labels"].GetArray()) {
      all += fs::path(label["out"].GetString()).string() + " ";
    }
    return all;
  };
  CHECK(names({}) == "a.attention/1_bright.png a.attention/2_dark.png ");  // scores 0.73, 0.5
  CHECK(names({"--threshold", "0.6", "--out", "b"}) == "b/1_bright.png ");
  CHECK(names({"--top-k", "3", "--precision", "bf16", "--out", "c"}) ==
        "c/1_bright.png c/2_dark.png c/3_dim.png ");
  CHECK(read_file(folder.path() / "b/1_bright.png") ==
        read_file(folder.path() / "a.attention/1_bright.png"));
}

TEST_CASE("attention: labels are marked as predict marks them") {
  const TemporaryFolder folder;
  CheckpointInfo info = Bright({"cat"}).info;
  info.task = Task::zero_shot;
  info.model = {.backbone = "clip_vit_tiny", .classes = 2, .word_dim = 2, .embed_dim = 16,
                .ffn = 8, .query = QueryKind::nlp, .pooling = PoolingKind::shared};
  info.set_label_space({.names = {"cat", "dog", "yak"}, .seen = {true, true, false},
                        .vectors = Tensor::from({3, 2}, std::vector<float>{1, 0, 0, 1, 0, -1})},
                       true);
  const auto model = make_model(info.model);
  initialize(*model, 7);
  save_model(folder.path() / "words.safetensors", state_dict(*model), info);
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  for (const auto& [threshold, mark] : {std::pair{"0", '+'}, {"1", ' '}}) {
    const std::string out = ran(folder, {"words.safetensors", "a.ppm", "--top-k", "3",
                                         "--threshold", threshold, "--out", "m"}).out;
    CHECK(contains(out, fmt::format(" % {} cat  m/", mark)));
    CHECK(contains(out, fmt::format(" % {} yak *  m/", mark)));
  }
  const auto json = parsed(ran(folder, {"words.safetensors", "a.ppm", "--top-k", "3", "--json"}));
  for (const auto& label : json["labels"].GetArray()) {
    CHECK(label["seen"].GetBool() == (label["name"] != "yak"));
  }
}

TEST_CASE("attention: classes that share a query say so") {
  const TemporaryFolder folder;
  const Bright bright({"a", "b", "c", "d", "e"}, 2);
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "p.ppm", kSide, kSide, 0, 0, kPatch);
  const Ran run = ran(folder, {checkpoint, "p.ppm", "--out", "maps"});
  REQUIRE(run.code == 0);
  CHECK(contains(run.out, "  one query, and so one map, for a, b, c\n"));
  CHECK(contains(run.out, "  one query, and so one map, for d, e\n"));
  CHECK(std::ranges::count(run.out, '\n') == 8);  // the picture, five labels, twice this
  const auto bytes = [&](const char* name) { return read_file(folder.path() / "maps" / name); };
  CHECK(bytes("1_a.png") == bytes("3_c.png"));
  CHECK(bytes("1_a.png") != bytes("4_d.png"));
}

TEST_CASE("attention: names of classes and pictures cannot lead anywhere") {
  const TemporaryFolder folder;
  const std::string longest(300, 'x');
  const Bright bright({"../../up", "/etc/passwd", "<script>", "\u202egnp", longest,
                       "\u00e9t\u00e9"});
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "\xff .ppm", 2500, 10, 0, 0, kPatch);
  const Ran run = ran(folder, {checkpoint, "\xff .ppm", "--out", "maps"});
  REQUIRE(run.code == 0);
  CHECK(contains(run.out, "\\xff .ppm\n"));
  CHECK(contains(run.out, "\\u202egnp"));
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder.path() / "maps")) {
    files.push_back(entry.path().filename().string());
  }
  std::ranges::sort(files);
  CHECK(files == std::vector<std::string>{"1_.._.._up.png", "2__etc_passwd.png",
                                          "3__script_.png", "4__u202egnp.png",
                                          "5_" + longest.substr(0, 50) + ".png",
                                          "6_\u00e9t\u00e9.png"});
  const Image map = load_image(folder.path() / "maps/1_.._.._up.png");
  CHECK(map.width == 1024);
  CHECK(map.height == 4);
}

TEST_CASE("errors: attention") {
  const TemporaryFolder folder;
  const Bright bright({"bright", "dark"});
  const std::string checkpoint = bright.save(folder);
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  folder.write("a.png", read_file(kFixtures / "pics/size_3x5.jpg"));
  const auto check = [&](int code, const std::string& message,
                         const std::vector<std::string>& arguments) {
    const Ran run = ran(folder, arguments);
    CHECK(run.code == code);
    CHECK(contains(run.err, message));
    CHECK(run.out.empty());
  };
  check(2, "'brigt' is none of them, did you mean 'bright'?",
        {checkpoint, "a.ppm", "--label", "brigt"});
  check(2, "--label: 'dark' is asked for twice", {checkpoint, "a.ppm", "--label", "dark",
                                                  "--label", "dark"});
  check(2, "must end in .png, got 'map.jpg'",
        {checkpoint, "a.ppm", "--label", "dark", "--out", "map.jpg"});
  check(2, "a.png is the picture itself",
        {checkpoint, "a.png", "--label", "dark", "--out", "a.png"});
  fs::create_directories(folder.path() / "x.png");
  check(2, "x.png is a folder", {checkpoint, "a.ppm", "--label", "dark", "--out", "x.png"});
  check(2, "--head: there are heads 0 to 7", {checkpoint, "a.ppm", "--head", "8"});
  check(2, "'b.ppm' is a second one", {checkpoint, "a.ppm", "b.ppm"});
  check(2, "is a folder; give one picture", {checkpoint, "x.png"});
  check(3, "nothing.ppm", {checkpoint, "nothing.ppm"});
  check(3, "a.png: cannot make the folder", {checkpoint, "a.ppm", "--out", "a.png"});
  check(1, "no/map.png", {checkpoint, "a.ppm", "--label", "dark", "--out", "no/map.png"});
  for (const std::string head : {"gap", "sdl"}) {
    CheckpointInfo info = bright.info;
    info.model = {.backbone = "resnet18", .head = head, .classes = 2};
    if (head == "sdl") {
      info.task = Task::zero_shot;
      info.model.word_dim = 2;
      info.set_label_space({.names = info.class_names, .seen = {true, true},
                            .vectors = Tensor::from({2, 2}, std::vector<float>{1, 0, 0, 1})},
                           true);
    }
    const auto model = make_model(info.model);
    initialize(*model, 7);
    save_model(folder.path() / "other.safetensors", state_dict(*model), info);
    check(2, fmt::format("attention: the head {} has none", head), {"other.safetensors", "a.ppm"});
  }
  CHECK_FALSE(fs::exists(folder.path() / "a.attention"));
}

TEST_CASE("heat colours: viridis, of rising lightness") {
  const auto near = [](const Rgb& a, const Rgb& b) {
    return std::ranges::equal(a, b, [](int p, int q) { return std::abs(p - q) < 6; });
  };
  CHECK(near(heat_colour(0), {68, 1, 84}));  // matplotlib's viridis at 0, 1/2 and 1
  CHECK(near(heat_colour(0.5), {33, 145, 140}));
  CHECK(near(heat_colour(1), {253, 231, 37}));
  CHECK(heat_colour(-1) == heat_colour(0));
  CHECK(heat_colour(2) == heat_colour(1));
  double before = -1;
  for (int i = 0; i <= 100; ++i) {
    const Rgb c = heat_colour(i / 100.0);
    const double light = 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
    CHECK(light > before);
    before = light;
  }
}

}  // namespace mld::test
