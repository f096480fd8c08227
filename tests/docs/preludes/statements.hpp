// For lines that stand in some function of a program.
void of_a_program() {
  // BLOCK
}
