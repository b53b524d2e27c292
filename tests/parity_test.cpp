// The reference runner itself: its hash fill, its checksums, and that it can fail.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>

#include "autograd/ops.h"
#include "core/error.h"
#include "data/safetensors.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/paths.h"
#include "tests/sha256.h"

using namespace mld;
using namespace mld::parity;
using mld::test::sha256;

namespace {

namespace fs = std::filesystem;

// A folder of its own below the build folder, removed at the end.
struct Folder {
  fs::path path;
  explicit Folder(const std::string& name)
      : path(fs::path(mld::test::binary_dir()) / "parity_test_tmp" / name) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
};

struct Run {
  int code;
  std::string out;
};

// Runs the program; its standard output and exit code. Its standard error is in `notes`.
Run run(const fs::path& dir, const std::string& options = "") {
  const fs::path out = fs::path(mld::test::binary_dir()) / "parity_test_out.txt";
  const std::string command = mld::test::binary_dir() + "/tests/parity \"" + dir.string() +
                              "\" " + options + " > \"" + out.string() + "\" 2> /dev/null";
  const int status = std::system(command.c_str());
  std::ifstream file(out);
  return {WEXITSTATUS(status), {std::istreambuf_iterator<char>(file), {}}};
}

void write(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string manifest_entry(const std::string& name, const std::string& kind,
                           const std::string& rest) {
  return "\"" + name + "\": {\"group\": \"" + kind.substr(0, kind.find('/')) + "\", \"kind\": \"" +
         kind + "\"" + rest + "}";
}

// A folder with one losses/bce_ce entry: x [1, 2] = (0, 0), target class 0. The loss is log 2 and
// its gradient (-1/2, 1/2), but for `slip` added to the stored loss and `extra` tensors.
void write_entry(const fs::path& dir, float slip,
                 const std::vector<std::pair<std::string, Tensor>>& extra = {}) {
  std::vector<std::pair<std::string, Tensor>> tensors{
      {"x", Tensor::zeros({1, 2})},
      {"y", Tensor::zeros({1}, DType::i64)},
      {"loss/ce", Tensor::full({}, 0.693147181f + slip)},
      {"grad/ce", Tensor::from({1, 2}, std::vector<float>{-0.5f, 0.5f})}};
  tensors.insert(tensors.end(), extra.begin(), extra.end());
  const std::vector<uint8_t> bytes = to_safetensors(tensors, {});
  write(dir / "a.safetensors", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const std::string hash = sha256({bytes.data(), bytes.size()});
  write(dir / "manifest.json",
        "{\"format\": 1, \"files\": {" +
            manifest_entry("a.safetensors", "losses/bce_ce",
                           ", \"limit\": 1e-05, \"bytes\": " + std::to_string(bytes.size()) +
                               ", \"sha256\": \"" + hash +
                               "\", \"config\": [{\"name\": \"ce\", \"target\": \"y\"}]") +
            "}}");
}

}  // namespace

TEST_CASE("hash fill: the published check values") {
  CHECK(HashStream(1, "a").uniform(0) == 0.40068998944932177);
  CHECK(HashStream(1, "a").uniform(1) == 0.76830688184319573);
  CHECK(HashStream(303, "conv1.weight").uniform(0) == 0.87506282322855866);
}

TEST_CASE("hash fill: values are rounded to float32 once, in [lo, hi]") {
  const HashStream stream(1, "a");
  const float rounded = static_cast<float>(-2 + 4 * stream.uniform(0));
  CHECK(stream.value(0, -2, 2) == static_cast<double>(rounded));
  const Array filled = fill_array(1, "a", {2, 3}, -2, 2);
  CHECK(filled.values.size() == 6);
  CHECK(filled.values[1] == stream.value(1, -2, 2));
}

TEST_CASE("sha256: the standard's examples") {
  const auto hash = [](std::string_view text) {
    return sha256({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("permute: to our layout and back") {
  Array x{{2, 3, 4, 5}, {}};
  for (int i = 0; i < 120; ++i) x.values.push_back(i);
  const Array y = permute(x, kToNhwc);
  CHECK(y.shape == std::vector<int64_t>{2, 4, 5, 3});
  CHECK(y.values[1] == 20);  // the next channel of the first pixel
  CHECK(permute(y, kFromNhwc).values == x.values);
}

TEST_CASE("parity: a right reference passes") {
  const Folder folder("right");
  write_entry(folder.path, 0);
  const Run r = run(folder.path);
  CHECK(r.code == 0);
  CHECK(r.out.starts_with("PASS a.safetensors losses/bce_ce "));
  CHECK(r.out.ends_with(" 1e-05\n1 passed, 0 failed, 0 uncovered\n"));
}

TEST_CASE("parity: a wrong value fails") {
  const Folder folder("wrong");
  write_entry(folder.path, 1e-3f);
  const Run r = run(folder.path);
  CHECK(r.code == 1);
  CHECK(r.out.starts_with("FAIL a.safetensors losses/bce_ce 0.00144 1e-05\n"));
}

TEST_CASE("parity: a stored tensor nobody compares fails") {
  const Folder folder("left_over");
  write_entry(folder.path, 0, {{"loss/unheard_of", Tensor::zeros({1})}});
  const Run r = run(folder.path);
  CHECK(r.code == 1);
  CHECK(r.out.starts_with("FAIL a.safetensors"));
}

TEST_CASE("parity: a damaged file fails, even where nothing is computed") {
  const Folder folder("damaged");
  write(folder.path / "data.bin", "abd");
  const std::string hash = sha256({reinterpret_cast<const unsigned char*>("abc"), 3});
  write(folder.path / "manifest.json",
        "{\"files\": {" +
            manifest_entry("data.bin", "data", ", \"sha256\": \"" + hash + "\"") + "}}");
  CHECK(run(folder.path).out.starts_with("FAIL data.bin"));
  write(folder.path / "data.bin", "abc");
  CHECK(run(folder.path).out.starts_with("UNCOVERED data.bin"));
  CHECK(run(folder.path, "--strict").out.starts_with("UNCOVERED data.bin"));  // others read it
  fs::remove(folder.path / "data.bin");
  CHECK(run(folder.path).out.starts_with("FAIL data.bin"));
}

TEST_CASE("parity: nothing to run, uncovered kinds and filters") {
  const Folder folder("uncovered");
  CHECK(run(folder.path).code == 1);  // no manifest
  write(folder.path / "manifest.json", "{\"files\": {}}");
  CHECK(run(folder.path).code == 1);
  write_entry(folder.path, 0);
  std::ifstream file(folder.path / "manifest.json");
  std::string manifest{std::istreambuf_iterator<char>(file), {}};
  write(folder.path / "b.bin", "");
  manifest.insert(manifest.rfind("}}"), ", " + manifest_entry("b.bin", "losses/unheard_of", ""));
  write(folder.path / "manifest.json", manifest);
  const Run r = run(folder.path);
  CHECK(r.code == 0);
  CHECK(r.out.find("UNCOVERED b.bin losses/unheard_of - -\n") != std::string::npos);
  CHECK(r.out.ends_with("1 passed, 0 failed, 1 uncovered\n"));
  const Run strict = run(folder.path, "--strict");
  CHECK(strict.code == 1);
  CHECK(strict.out.find("FAIL b.bin losses/unheard_of - -\n") != std::string::npos);
  CHECK(strict.out.ends_with("1 passed, 1 failed, 0 uncovered\n"));
  CHECK(run(folder.path, "--strict --kind losses/bce_ce").code == 0);
  CHECK(run(folder.path, "--group optim").code == 1);  // nothing was run
  CHECK(run(folder.path, "--frobnicate").code == 2);
}

// x [1, 4, 4, 2] through a strided padded convolution, batch norm with ReLU, and a linear layer:
// float64's result and gradients lie within float32's rounding, and are not float32's.
TEST_CASE("float64: the same ops, more digits") {
  const auto values = [](const Shape& shape, const char* name) {
    const std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
    return to_tensor(fill_array(1, name, dims, -1, 1));
  };
  const Tensor x = values({1, 4, 4, 2}, "x"), w = values({3, 3, 3, 2}, "w");
  const Tensor v = values({2, 3}, "v");
  const auto compute = [&] {
    Tape tape;
    const Var in = tape.variable(x), kernel = tape.variable(w), rows = tape.variable(v);
    const Var ones = tape.constant(Tensor::full({3}, 1)), zeros(Tensor::zeros({3}));
    const Var z = batch_norm(conv2d(in, kernel, {.stride = 2, .pad = 1}), ones, zeros,
                             Tensor::zeros({3}), Tensor::full({3}, 1),
                             {.act = {.kind = Act::relu}});
    tape.backward(sum(linear(z, rows)), {});
    return std::vector<Array>{to_array(z.value), to_array(tape.grad(in)),
                              to_array(tape.grad(kernel)), to_array(tape.grad(rows))};
  };
  const std::vector<Array> single = compute();
  std::vector<Array> exact;
  {
    const Float64 arithmetic;
    exact = compute();
  }
  for (size_t i = 0; i < exact.size(); ++i) {
    double difference = 0, largest = 0;
    for (size_t j = 0; j < exact[i].values.size(); ++j) {
      difference = std::max(difference, std::abs(single[i].values[j] - exact[i].values[j]));
      largest = std::max(largest, std::abs(exact[i].values[j]));
    }
    CHECK(difference > 0);
    CHECK(difference < 2e-6 * largest);
  }
  CHECK(to_array(Tensor::full({1}, 0.1f)).values[0] == double{0.1f});  // Float64 has ended
}
