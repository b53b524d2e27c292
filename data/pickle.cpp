#include "data/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "data/safetensors_header.h"

namespace mld::pickle {
namespace {

constexpr std::string_view kTensor = "torch._utils _rebuild_tensor";
constexpr std::string_view kTensor2 = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kParameterWithState = "torch._utils _rebuild_parameter_with_state";
constexpr std::string_view kDict = "collections OrderedDict";
constexpr std::string_view kSize = "torch Size";
constexpr std::string_view kCallable[] = {kTensor, kTensor2, kParameter, kParameterWithState,
                                          kDict, kSize};

// A storage's type, such as "torch FloatStorage", is only ever an argument.
bool is_storage_type(std::string_view global) {
  constexpr std::string_view kModule = "torch ", kEnd = "Storage";
  return global.starts_with(kModule) && global.ends_with(kEnd) &&
         global.find('.') == std::string_view::npos && global.size() > kModule.size() + kEnd.size();
}

constexpr std::pair<uint8_t, std::string_view> kRefused[] = {
    {'0', "POP"}, {'1', "POP_MARK"}, {'2', "DUP"}, {'F', "FLOAT"}, {'I', "INT"}, {'L', "LONG"},
    {'P', "PERSID"}, {'S', "STRING"}, {'V', "UNICODE"}, {'d', "DICT"}, {'g', "GET"}, {'i', "INST"},
    {'l', "LIST"}, {'o', "OBJ"}, {'p', "PUT"}, {0x81, "NEWOBJ"}, {0x82, "EXT1"}, {0x83, "EXT2"},
    {0x84, "EXT4"}, {0x92, "NEWOBJ_EX"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"}};

std::string described(uint8_t opcode) {
  const auto* found = std::find_if(std::begin(kRefused), std::end(kRefused),
                                   [&](const auto& known) { return known.first == opcode; });
  return found == std::end(kRefused) ? fmt::format("0x{:02x}", opcode) : std::string(found->second);
}

// The machine: a stack of values, marks on it, and a memo of values by number.
class Machine {
 public:
  Machine(std::span<const uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Pickle run() {
    constexpr uint8_t kStop = '.', kProto = 0x80, kFrame = 0x95;
    for (;;) {
      start_ = at_;
      const uint8_t opcode = number<uint8_t>();
      if (opcode == kStop) {
        pickle_.root = pop();
        pickle_.bytes = at_;
        return std::move(pickle_);
      }
      if (opcode == kProto) {
        const uint8_t protocol = number<uint8_t>();
        require<DataError>(protocol >= 2 && protocol <= 5, "{}: pickle protocol {}, not 2 to 5",
                           name_, protocol);
      } else if (opcode == kFrame) {
        number<uint64_t>();  // a hint for buffering
      } else if (!scalar(opcode) && !string(opcode) && !container(opcode) && !memo(opcode) &&
                 !object(opcode)) {
        refuse("opcode " + described(opcode));
      }
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail<DataError>("{}: {} at byte {} is none that tensors need, and nothing else is read: it "
                    "could run code. Save a state: torch.save(model.state_dict(), ...)", name_,
                    what, start_);
  }
  void check(bool good, const char* why) const {
    require<DataError>(good, "{}: malformed pickle at byte {}: {}", name_, start_, why);
  }

  // ---- the input --------------------------------------------------------------------------------

  std::string_view take(uint64_t count) {
    require<DataError>(count <= bytes_.size() - at_,
                       "{}: truncated: {} bytes wanted at byte {} of a pickle, {} are left", name_,
                       count, at_, bytes_.size() - at_);
    const auto* begin = reinterpret_cast<const char*>(bytes_.data()) + at_;
    at_ += count;
    return {begin, count};
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::find(rest.begin(), rest.end(), '\n');
    check(end != rest.end(), "a name without an end");
    const std::string_view text = take(static_cast<uint64_t>(end - rest.begin()));
    ++at_;
    return text;
  }

  // ---- the stack --------------------------------------------------------------------------------

  void limit(size_t count) const {
    require<DataError>(count < kMaxValues, "{}: its pickle has more than {} values", name_,
                       kMaxValues);
  }
  void push(Id id) {
    limit(stack_.size());
    stack_.push_back(id);
  }
  void push(Value&& value) {
    limit(pickle_.values.size());
    count_items(value.items.size());
    pickle_.values.push_back(std::move(value));
    push(static_cast<Id>(pickle_.values.size() - 1));
  }
  // A few bytes can copy the members of a long tuple: all members together are limited.
  void count_items(size_t count) {
    items_ += count;
    limit(items_ / 4);
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Id pop() {
    check(stack_.size() > floor(), "the stack is empty");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }
  std::vector<Id> pop_last(size_t count) {
    check(stack_.size() >= floor() + count, "the stack is too short");
    const auto begin = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    return items;
  }
  std::vector<Id> pop_to_mark() {
    check(!marks_.empty(), "no mark on the stack");
    std::vector<Id> items = pop_last(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  // Appends to the container on top of the stack.
  void extend(Kind kind, const std::vector<Id>& items) {
    check(stack_.size() > floor(), "the stack is empty");
    Value& target = pickle_.values[stack_.back()];
    check(target.kind == kind, "members for a value that is no such container");
    check(kind != Kind::dict || items.size() % 2 == 0, "a key without a value");
    count_items(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  // ---- opcodes: each function says whether it knows this one ------------------------------------

  bool scalar(uint8_t opcode) {
    switch (opcode) {
      case 'N': push({.kind = Kind::none}); return true;
      case 0x88: case 0x89: push({.kind = Kind::boolean, .integer = opcode == 0x88}); return true;
      case 'J': push({.kind = Kind::integer, .integer = number<int32_t>()}); return true;
      case 'K': push({.kind = Kind::integer, .integer = number<uint8_t>()}); return true;
      case 'M': push({.kind = Kind::integer, .integer = number<uint16_t>()}); return true;
      case 0x8a: push(long_integer(take(number<uint8_t>()))); return true;                // LONG1
      case 0x8b: push(long_integer(take(length(number<int32_t>())))); return true;        // LONG4
      case 'G':  // BINFLOAT: big-endian
        push({.kind = Kind::real,
              .real = std::bit_cast<double>(__builtin_bswap64(number<uint64_t>()))});
        return true;
      default: return false;
    }
  }

  uint64_t length(int64_t count) const {
    check(count >= 0, "a negative length");
    return static_cast<uint64_t>(count);
  }
  static Value long_integer(std::string_view text) {
    if (text.size() > sizeof(int64_t)) {
      return {.kind = Kind::long_int, .text = text};
    }
    const bool negative = !text.empty() && (text.back() & 0x80) != 0;
    uint64_t bits = negative ? ~uint64_t{0} : 0;
    std::memcpy(&bits, text.data(), text.size());
    return {.kind = Kind::integer, .integer = static_cast<int64_t>(bits)};
  }

  bool string(uint8_t opcode) {
    const auto push_text = [this](Kind kind, std::string_view text) {
      push({.kind = kind, .text = text});
      return true;
    };
    switch (opcode) {
      case 'X': return push_text(Kind::text, take(number<uint32_t>()));            // BINUNICODE
      case 0x8c: return push_text(Kind::text, take(number<uint8_t>()));            // SHORT_...
      case 0x8d: return push_text(Kind::text, take(number<uint64_t>()));           // BINUNICODE8
      case 'T': return push_text(Kind::text, take(length(number<int32_t>())));     // BINSTRING
      case 'U': return push_text(Kind::text, take(number<uint8_t>()));             // SHORT_...
      case 'B': return push_text(Kind::bytes, take(number<uint32_t>()));           // BINBYTES
      case 'C': return push_text(Kind::bytes, take(number<uint8_t>()));            // SHORT_...
      case 0x8e: return push_text(Kind::bytes, take(number<uint64_t>()));          // BINBYTES8
      default: return false;
    }
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case '(':
        limit(marks_.size());
        marks_.push_back(stack_.size());
        return true;
      case ']': case ')': case 0x8f: push({.kind = Kind::sequence}); return true;  // EMPTY_...
      case '}': push({.kind = Kind::dict}); return true;
      case 't': case 0x91:  // TUPLE, FROZENSET
        push({.kind = Kind::sequence, .items = pop_to_mark()});
        return true;
      case 0x85: case 0x86: case 0x87:  // TUPLE1 .. TUPLE3
        push({.kind = Kind::sequence, .items = pop_last(opcode - 0x84u)});
        return true;
      case 'a': extend(Kind::sequence, pop_last(1)); return true;                       // APPEND
      case 'e': case 0x90: extend(Kind::sequence, pop_to_mark()); return true;  // APPENDS, ADDITEMS
      case 's': extend(Kind::dict, pop_last(2)); return true;                           // SETITEM
      case 'u': extend(Kind::dict, pop_to_mark()); return true;                         // SETITEMS
      default: return false;
    }
  }

  bool memo(uint8_t opcode) {
    switch (opcode) {
      case 'q': remember(number<uint8_t>()); return true;                  // BINPUT
      case 'r': remember(number<uint32_t>()); return true;                 // LONG_BINPUT
      case 0x94: remember(static_cast<uint32_t>(memo_.size())); return true;  // MEMOIZE
      case 'h': recall(number<uint8_t>()); return true;                    // BINGET
      case 'j': recall(number<uint32_t>()); return true;                   // LONG_BINGET
      default: return false;
    }
  }
  void remember(uint32_t slot) {
    check(stack_.size() > floor(), "the stack is empty");
    limit(memo_.size());
    memo_[slot] = stack_.back();
  }
  void recall(uint32_t slot) {
    const auto found = memo_.find(slot);
    check(found != memo_.end(), "a value that was never stored");
    push(found->second);
  }

  bool object(uint8_t opcode) {
    switch (opcode) {
      case 'c': {  // GLOBAL: two adjacent lines, kept as one text with the break for a blank
        const std::string_view module = line();
        push_global(module, line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::vector<Id> names = pop_last(2);
        const Value &module = pickle_[names[0]], &name = pickle_[names[1]];
        check(module.kind == Kind::text && name.kind == Kind::text, "a global without a name");
        push_global(module.text, name.text);
        return true;
      }
      case 'Q': {  // BINPERSID
        const Value& id = pickle_[pop()];
        check(id.kind == Kind::sequence, "a persistent id that is no tuple");
        push({.kind = Kind::storage, .items = id.items});
        return true;
      }
      case 'R': call(); return true;  // REDUCE
      case 'b': {                     // BUILD: only attributes of a dict (its _metadata), not kept
        pop();
        check(stack_.size() > floor(), "the stack is empty");
        if (pickle_[stack_.back()].kind != Kind::dict) {
          refuse("an object with a state of its own");
        }
        return true;
      }
      default: return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string global = std::string(module) + " " + std::string(name);
    const auto* callable = std::find(std::begin(kCallable), std::end(kCallable), global);
    if (callable != std::end(kCallable)) {
      push({.kind = Kind::global, .text = *callable});
    } else if (is_storage_type(global)) {
      push({.kind = Kind::global, .text = name});
    } else {
      refuse("the global " + quoted_name(std::string(module) + "." + std::string(name)));
    }
  }

  void call() {
    const std::vector<Id> both = pop_last(2);
    const Value &function = pickle_[both[0]], &arguments = pickle_[both[1]];  // not copied: long
    check(function.kind == Kind::global && arguments.kind == Kind::sequence,
          "a call of something that is no function");
    const std::string_view name = function.text;
    if (name == kTensor || name == kTensor2) {
      push({.kind = Kind::tensor, .items = arguments.items});
    } else if (name == kParameter || name == kParameterWithState) {
      check(!arguments.items.empty(), "a parameter without a tensor");
      push(arguments.items[0]);
    } else if (name == kSize) {
      check(arguments.items.size() == 1, "a size without its tuple");
      push(arguments.items[0]);
    } else if (name == kDict) {
      ordered_dict(arguments.items);
    } else {
      refuse("a call of torch." + std::string(name));
    }
  }

  // OrderedDict() or OrderedDict([[key, value], ...]), as Python 2 wrote it.
  void ordered_dict(const std::vector<Id>& arguments) {
    std::vector<Id> items;
    for (const Id list : arguments) {
      check(arguments.size() == 1 && pickle_[list].kind == Kind::sequence,
            "an OrderedDict of something that is no list");
      for (const Id pair : pickle_[list].items) {
        const Value& entry = pickle_[pair];
        check(entry.kind == Kind::sequence && entry.items.size() == 2, "a key without a value");
        items.insert(items.end(), entry.items.begin(), entry.items.end());
      }
    }
    push({.kind = Kind::dict, .items = std::move(items)});
  }

  std::span<const uint8_t> bytes_;
  const std::string& name_;
  size_t at_ = 0, start_ = 0;  // start_: of the current opcode
  size_t items_ = 0;           // members of all values
  Pickle pickle_;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Id> memo_;
};

}  // namespace

Pickle read(std::span<const uint8_t> bytes, const std::string& name) {
  return Machine(bytes, name).run();
}

}  // namespace mld::pickle
