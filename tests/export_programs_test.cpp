// mlinfer export: files for other programs, checkpoints from theirs, what it refuses.
#include <doctest/doctest.h>

#include "nn/module.h"
#include "tests/program.h"
#include "train/checkpoint.h"

namespace mld {
namespace {

using namespace test;

struct Result {
  int code;
  std::string out, err;
};
Result run_export(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "export");
  const Program program("mlinfer", arguments, folder);
  const int code = program.wait();
  return {code, program.out(), program.err()};
}

// A checkpoint of a small model with a head, as a trainer would save it.
fs::path write_checkpoint(const TemporaryFolder& folder, const std::string& head) {
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = head, .classes = 3, .embed_dim = 16, .ffn = 8};
  info.class_names = {"a", "b", "c"};
  info.preprocess.image_size = 32;
  const auto model = make_model(info.model);
  initialize(*model, 1);
  const fs::path path = folder.path() / (head + ".safetensors");
  save_model(path, state_dict(*model), info);
  return path;
}

TEST_CASE("export: under other names, and back to the same checkpoint") {
  const TemporaryFolder folder;
  const fs::path ours = write_checkpoint(folder, "ml_decoder");
  const Result timm = run_export(folder, {ours.string(), "--naming", "timm"});
  CHECK(timm.code == 0);
  const fs::path theirs = folder.path() / "ml_decoder.timm.safetensors";
  CHECK(timm.out == theirs.string() + "\n");
  const SafeTensorsFile file(theirs);
  CHECK(file.contains("fc.embed_standart.weight"));
  CHECK_FALSE(file.contains("fc.decoder.embed_standart.weight"));
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}});

  write_file(folder.path() / "names.txt", "a\r\nb\nc\n\n");
  const fs::path back = folder.path() / "back.safetensors";
  const Result again = run_export(
      folder, {theirs.string(), "--out", back.string(), "--classes",
               (folder.path() / "names.txt").string(), "data.image_size=32",
               "data.normalize=none"});
  CHECK(again.code == 0);
  CHECK(contains(again.err, "a resnet18 with the head ml_decoder, 3 classes; multi-label; pictures "
                            "32 px, squash, bilinear, normalize none; 139 tensors loaded "
                            "(names of timm)"));
  const Checkpoint a = load_checkpoint(ours), b = load_checkpoint(back);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    CHECK(a.tensors[i].first == b.tensors[i].first);
    CHECK(a.tensors[i].second.bytes() == b.tensors[i].second.bytes());
  }
  CHECK(a.metadata.at("crc32c") == b.metadata.at("crc32c"));
  CHECK(read_checkpoint_info(back).class_names == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("export: what it refuses") {
  const TemporaryFolder folder;
  const std::string decoder = write_checkpoint(folder, "ml_decoder").string();
  const std::string gap = write_checkpoint(folder, "gap").string();
  const auto refuses = [&](int code, const std::string& why,
                           const std::vector<std::string>& arguments) {
    const Result result = run_export(folder, arguments);
    CHECK(result.code == code);
    CHECK(contains(result.err, why));
    CHECK(result.out.empty());
  };
  CHECK(run_export(folder, {gap, "--naming", "torchvision"}).code == 0);
  refuses(2, "naming: torchvision has no resnet18 with the head ml_decoder; there are names of "
             "mldecoder, official, timm", {decoder, "--naming", "torchvision"});
  refuses(2, "--naming", {gap, "--naming", "keras"});
  refuses(2, "--format", {gap, "--format", "pickle"});
  refuses(2, "no checkpoint given", {});
  refuses(2, "would replace the checkpoint", {gap, "--out", gap});
  refuses(2, "has its own settings and classes", {gap, "--out", "x", "data.image_size=32"});
  refuses(2, "data.image_sise", {gap + ".pth", "data.image_sise=32"});
  refuses(3, "gone.pth: cannot open", {(folder.path() / "gone.pth").string()});
  write_file(folder.path() / "evil.pth", "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9"
                                         "\x03.\x80\x02}.\x80\x02""cposix\nsystem\nX\x02");
  refuses(3, "evil.pth: the global \"posix.system\" at byte 2 is none that tensors need",
          {(folder.path() / "evil.pth").string()});
}

}  // namespace
}  // namespace mld
