// misc/operators (operators.cpp), misc/nus_csv (nus_csv.cpp), misc/safetensors and misc/pth_*.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "data/pth.h"
#include "tests/parity/fixture.h"
#include "tests/parity/kinds.h"

namespace mld::parity {
namespace {

template <class T>
double load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

// IEEE binary16: sign, 5 exponent bits (bias 15), 10 fraction bits.
double load_half(const uint8_t* at) {
  const unsigned bits = at[0] | unsigned{at[1]} << 8;
  const int exponent = (bits >> 10) & 31;
  const double fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  return sign * (exponent == 0 ? std::ldexp(fraction, -24)
                               : std::ldexp(1024 + fraction, exponent - 25));
}

double load_bf16(const uint8_t* at) {
  return std::bit_cast<float>((at[0] | uint32_t{at[1]} << 8) << 16);
}

struct Type {
  const char* name;
  size_t size;
  double (*load)(const uint8_t*);
};

// The format's element types, decoded here without the reader's help.
constexpr Type kTypes[] = {{"F64", 8, load<double>},  {"F32", 4, load<float>},
                           {"F16", 2, load_half},     {"BF16", 2, load_bf16},
                           {"I64", 8, load<int64_t>}, {"I32", 4, load<int32_t>},
                           {"I16", 2, load<int16_t>}, {"I8", 1, load<int8_t>},
                           {"U8", 1, load<uint8_t>},  {"BOOL", 1, load<uint8_t>}};

// The number of elements that differ (NaN equals NaN), or infinity, a failure, if sizes do.
double mismatches(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) {
    return std::numeric_limits<double>::infinity();
  }
  double count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    count += a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]));
  }
  return count;
}

// Every tensor decodes to what its bytes say; a Tensor made from it holds the same (rounded to
// float32 where the type is not ours); a file we write in our types reads back bit for bit.
void run_safetensors(Fixture& fixture) {
  const SafeTensorsFile file(fixture.dir() / fixture.name());
  std::vector<std::pair<std::string, Tensor>> ours;
  for (const std::string& name : fixture.keys()) {
    const SafeTensor& stored = file.at(name);
    const Array array = fixture.array(name);
    const Type* type = nullptr;
    for (const Type& candidate : kTypes) {
      type = stored.dtype == candidate.name ? &candidate : type;
    }
    require<DataError>(type != nullptr, "{}: {} has the unknown type {}", fixture.name(), name,
                       stored.dtype);
    std::vector<double> expected;
    for (size_t at = 0; at + type->size <= stored.bytes.size(); at += type->size) {
      expected.push_back(type->load(stored.bytes.data() + at));
    }
    fixture.record(name, mismatches(array.values, expected), 0);
    if (stored.dtype != "I16" && stored.dtype != "I8") {  // types a Tensor cannot hold
      const Tensor tensor = stored.to_tensor();
      for (double& value : expected) {
        value = stored.dtype == "F64" ? static_cast<float>(value) : value;
      }
      fixture.record(name + " as a tensor", mismatches(to_array(tensor).values, expected), 0);
      ours.emplace_back(name, tensor);
    }
  }
  const std::vector<uint8_t> written = to_safetensors(ours, file.metadata());
  const SafeTensorsFile again(written, "written");
  fixture.record("metadata", again.metadata() == file.metadata() ? 0 : 1, 0);
  for (const auto& [name, tensor] : ours) {
    const auto& back = again.at(name);
    const bool same = back.bytes.size() == tensor.bytes() && back.shape == file.at(name).shape &&
                      (tensor.bytes() == 0 ||
                       std::memcmp(back.bytes.data(), tensor.raw(), tensor.bytes()) == 0);
    fixture.record(name + " written and read", same ? 0 : 1, 0);
  }
}

// The files in the manifest that have this kind.
std::vector<std::filesystem::path> files_of_kind(const Fixture& fixture, std::string_view kind) {
  const rapidjson::Document manifest = read_json(fixture.dir() / "manifest.json");
  std::vector<std::filesystem::path> found;
  for (const auto& [name, entry] : member(manifest, "files").GetObject()) {
    if (text(entry, "kind", "") == kind) {
      found.push_back(fixture.dir() / name.GetString());
    }
  }
  return found;
}

// The .pth holds the tensors of misc/pth_expected: names in order, types, shapes, bytes.
void compare_pth(Fixture& fixture, const std::filesystem::path& path,
                 const std::filesystem::path& expected_path) {
  const PthFile file(path);
  const SafeTensorsFile expected(expected_path);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors()) {
    names.push_back(name);
    const SafeTensor& wanted = expected.at(name);
    const bool same = tensor.dtype == wanted.dtype && tensor.shape == wanted.shape &&
                      std::equal(tensor.bytes.begin(), tensor.bytes.end(), wanted.bytes.begin(),
                                 wanted.bytes.end());
    fixture.record(name, same ? 0 : 1, 0);
  }
  fixture.expect(names == expected.names(), "its tensors' names are not the expected ones");
}

void run_pth(Fixture& fixture) {
  const auto all = files_of_kind(fixture, "misc/pth_expected");
  fixture.expect(!all.empty(), "no entry of kind misc/pth_expected to compare with");
  for (const auto& expected : all) {
    compare_pth(fixture, fixture.dir() / fixture.name(), expected);
  }
}

// The other way round: nothing in the expected file is left out.
void run_pth_expected(Fixture& fixture) {
  bool any = false;
  for (const char* kind : {"misc/pth_zip", "misc/pth_legacy", "misc/pth_flat"}) {
    for (const auto& file : files_of_kind(fixture, kind)) {
      compare_pth(fixture, file, fixture.dir() / fixture.name());
      any = true;
    }
  }
  fixture.expect(any, "no entry of a .pth kind to compare with");
  for (const std::string& key : fixture.keys()) {
    fixture.ignore(key, "compared with each .pth");
  }
}

}  // namespace

const std::vector<Kind>& misc_kinds() {
  static const std::vector<Kind> kinds{{"misc/nus_csv", run_nus_csv},
                                       {"misc/operators", run_operators},
                                       {"misc/safetensors", run_safetensors},
                                       {"misc/pth_zip", run_pth},
                                       {"misc/pth_legacy", run_pth},
                                       {"misc/pth_flat", run_pth},
                                       {"misc/pth_expected", run_pth_expected}};
  return kinds;
}

}  // namespace mld::parity
