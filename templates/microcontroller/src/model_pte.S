/* The program, byte for byte, in a section of its own: a linker script may place .edgec_model in external flash. */
  .section .edgec_model, "a"
  .balign 16
  .global edgec_model_pte
edgec_model_pte:
  .incbin EDGEC_MODEL_FILE
  .global edgec_model_pte_end
edgec_model_pte_end:
  .byte 0
  .section .note.GNU-stack, ""
