// data.exif, data.background, data.eval_size, data.crop_pct: from the config to the pixels of a
// data set, and to a checkpoint.
#include "data/image_ops.h"
#include "tests/data_files.h"
#include "train/config.h"
#include "train/checkpoint.h"
#include "train/config_keys.h"
#include "train/hf_config.h"

namespace mld::test {

TEST_CASE("exif, background and max_pixels reach the pictures of a data set") {
  const TemporaryFolder folder;
  for (const char* name : {"exif_8.png", "png_rgba8.png"}) {
    folder.write(fs::path("train/a") / name, read_file(kFixtures / "pics" / name));
  }
  Config config;
  config.data.root = folder.path();
  const auto load = [&](int64_t i) { return open_dataset(data_options(config), "train")->load(i); };
  const Image stored = load(0), opaque = load(1);
  CHECK(stored.facts.orientation == 8);
  CHECK(opaque.rgb == load_image(folder.path() / "train/a/png_rgba8.png").rgb);
  config.preprocess.exif = Exif::apply;
  config.preprocess.background = Rgb{200, 30, 120};
  CHECK(load(0).rgb == upright(stored, 8).rgb);
  CHECK(load(0).width == stored.height);
  const DecodeOptions over = {.background = Rgb{200, 30, 120}};
  CHECK(load(1).rgb == load_image(folder.path() / "train/a/png_rgba8.png", over).rgb);
  CHECK(load(1).rgb != opaque.rgb);
  config.loading.max_pixels = 1000;
  CHECK(message_of<DataError>([&] { load(0); }).find("at most 1000 are read") != std::string::npos);
}

TEST_CASE("exif and background: config keys that a checkpoint carries") {
  CHECK(Preprocess{}.exif == Exif::ignore);  // the default for files without the keys
  CHECK(!Preprocess{}.background);
  Config config;
  const Key* background = find_key("data", "background");
  REQUIRE(background != nullptr);
  CHECK(assign(*background, "#c81e78", config) == "");
  CHECK(config.preprocess.background == Rgb{200, 30, 120});
  for (const char* wrong : {"red", "#c81e7", "#c81e7g", "#-81e78", "c81e78", "#c81e789"}) {
    CHECK(assign(*background, wrong, config) ==
          fmt::format("expected \"\" or a colour such as \"#ffffff\", got the text \"{}\"", wrong));
  }
  CHECK(config.preprocess.background == Rgb{200, 30, 120});
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = "gap", .classes = 1};
  info.class_names = {"a"};
  info.weights = "raw";
  info.preprocess = config.preprocess;
  info.preprocess.exif = Exif::apply;
  CHECK(checkpoint_info(to_metadata(info), "file").preprocess == info.preprocess);
  CHECK(assign(*background, "", config) == "");
  CHECK(!config.preprocess.background);
}

TEST_CASE("eval_size: the pictures of validation and prediction, not of training") {
  const Key* size = find_key("data", "eval_size");
  REQUIRE(size != nullptr);
  Config config;
  config.preprocess.image_size = 32;
  const auto side = [&](Purpose purpose) {
    return loader_options(config, purpose).preprocess.image_size;
  };
  CHECK(side(Purpose::evaluation) == 32);
  CHECK(assign(*size, int64_t{48}, config) == "");
  CHECK(side(Purpose::training) == 32);
  CHECK(side(Purpose::evaluation) == 48);
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = "gap", .classes = 1};
  info.class_names = {"a"};
  info.preprocess = config.preprocess;
  CHECK(for_evaluation(checkpoint_info(to_metadata(info), "file").preprocess).image_size == 48);
  CHECK(hf_config_json(info, 512).find("\"test_input_size\": [3, 48, 48]") != std::string::npos);
}

TEST_CASE("crop_pct: a config key that a checkpoint and config.json carry") {
  const Key* crop = find_key("data", "crop_pct");
  REQUIRE(crop != nullptr);
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = "gap", .classes = 1};
  info.class_names = {"a"};
  const auto exported = [&] {
    const std::string json = hf_config_json(info, 512);
    return json.substr(json.find("\"crop_pct\""), 17);
  };
  CHECK(exported().starts_with("\"crop_pct\": 1.0,"));
  Config config;
  CHECK(assign(*crop, 0.875, config) == "");
  CHECK(assign(*crop, 1.5, config) == "expected number from 0.1 to 1, got the number 1.5");
  info.preprocess = config.preprocess;
  CHECK(info.preprocess.crop_pct == 0.875);
  CHECK(checkpoint_info(to_metadata(info), "file").preprocess == info.preprocess);
  CHECK(exported() == "\"crop_pct\": 0.875");
}

}  // namespace mld::test
