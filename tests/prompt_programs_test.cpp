// mlinfer predict with a CLIP-Decoder's checkpoint: labels known by their prompts, and new ones.
#include "data/prompts.h"
#include "models/registry.h"
#include "tests/program.h"
#include "tests/tiny_vocabulary.h"
#include "train/checkpoint.h"

namespace mld::test {

TEST_CASE("predict: a CLIP-Decoder reads new labels as text") {
  const TemporaryFolder folder;
  folder.write("bpe.txt", vocabulary_text({"d o", "do g</w>"}));
  folder.write_picture("a.ppm", 90);
  CheckpointInfo info;
  info.task = Task::zero_shot;
  info.preprocess.image_size = 32;
  info.model = {.backbone = "resnet18", .head = "clip_decoder", .classes = 2,
                .word_dim = Tokenizer::kContext, .embed_dim = 16, .ffn = 8,
                .clip = {.text_width = 64, .text_layers = 1, .text_embed = 16}};
  const std::vector<std::string> names{"cat", "dog", "yak"};
  info.set_label_space({.names = names, .seen = {true, true, false},
                        .vectors = prompt_tokens(Tokenizer(folder.path() / "bpe.txt"),
                                                 info.model.clip.prompt, names)}, true);
  const auto model = make_model(info.model);
  initialize(*model, 7);
  save_model(folder.path() / "w.safetensors", state_dict(*model), info);
  const auto predicted = [&](const std::vector<std::string>& more, int code = 0) {
    std::vector<std::string> arguments{"predict", "w.safetensors", "a.ppm", "--csv", "--top-k",
                                       "9"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Program program("mlinfer", arguments, folder, 0, folder.path());
    CHECK(program.wait() == code);
    return code == 0 ? program.out() : program.err();
  };
  const std::string known = predicted({});
  CHECK(std::ranges::count(known, '\n') == 4);
  const std::string asked =
      predicted({"--labels", "polar bear,dog", "--vocabulary", "bpe.txt"});
  CHECK(contains(asked, "polar bear,,"));
  const size_t dog = asked.find("a.ppm,dog,1,");
  REQUIRE(dog != std::string::npos);
  CHECK(contains(known, asked.substr(dog, asked.find('\n', dog) - dog)));  // the same score
  CHECK(contains(predicted({"--labels", "zebra"}, static_cast<int>(ExitCode::usage)),
                 "has no prompt of zebra; name the tokenizer's file"));
  CHECK(contains(predicted({"--labels", "zebra", "--vectors", "v.txt"},
                           static_cast<int>(ExitCode::usage)),
                 "--vectors: w.safetensors does not"));
}

}  // namespace mld::test
