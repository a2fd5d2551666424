// The doors: files and texts.
#include "tenon/frontend/stablehlo/stablehlo.h"

#include "tenon/frontend/stablehlo/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/input_file.h"

namespace tenon::stablehlo {
namespace {

Traced traced(std::string name, std::string text, const Location& at) {
  auto source = std::make_shared<const hlo::Source>(std::move(name), std::move(text));
  return Traced(hlo::program_of(std::make_shared<hlo::Module>(hlo::parse_module(std::move(source))), at));
}

}  // namespace

Traced load(const std::string& path, const At& at) {
  return door("stablehlo::load", place(at), [&] {
    const runtime::InputFile file(path, "StableHLO file");
    if (file.size() > hlo::most_text)
      file.refuse("it has " + std::to_string(file.size()) + " bytes, which is more than " +
                  std::to_string(hlo::most_text));
    std::string text(file.size(), '\0');
    file.read(0, text.data(), text.size());
    return traced(path, std::move(text), place(at));
  });
}

Traced parse(const std::string& text, const At& at) {
  return door("stablehlo::parse", place(at), [&] { return traced("<text>", text, place(at)); });
}

}  // namespace tenon::stablehlo
