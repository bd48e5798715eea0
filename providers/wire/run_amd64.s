#include "textflag.h"

// Sixteen of each byte that is looked for; see marks for why a quote is turned.
DATA turns16<>+0(SB)/8, $0x0202020202020202
DATA turns16<>+8(SB)/8, $0x0202020202020202
GLOBL turns16<>(SB), RODATA|NOPTR, $16
DATA slants16<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA slants16<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL slants16<>(SB), RODATA|NOPTR, $16
DATA blanks16<>+0(SB)/8, $0x2020202020202020
DATA blanks16<>+8(SB)/8, $0x2020202020202020
GLOBL blanks16<>(SB), RODATA|NOPTR, $16

// func run16(s string) (n int, high int)
// With AVX2 where the processor has it, for what is long, and SSE2, which every amd64
// has. Of no byte outside s is anything read.
TEXT ·run16(SB), NOSPLIT, $0-32
	MOVQ s_base+0(FP), SI
	MOVQ s_len+8(FP), CX
	MOVQ SI, DI           // of the block at hand
	XORL DX, DX           // high bits of bytes seen
	CMPB ·wide(SB), $0
	JEQ  short
	CMPQ CX, $64
	JLT  short

	VBROADCASTI128 turns16<>(SB), Y5
	VBROADCASTI128 slants16<>(SB), Y6
	VBROADCASTI128 blanks16<>(SB), Y7
	VPXOR          Y4, Y4, Y4       // all bytes seen
	SUBQ           $32, CX          // what is left behind the block

block32:
	VMOVDQU   (DI), Y0
	VPOR      Y0, Y4, Y4
	VPXOR     Y0, Y5, Y1
	VPMINUB   Y1, Y7, Y2
	VPCMPEQB  Y1, Y2, Y1
	VPCMPEQB  Y0, Y6, Y3
	VPOR      Y1, Y3, Y1
	VPMOVMSKB Y1, AX
	TESTL     AX, AX
	JNZ       found32
	ADDQ      $32, DI
	SUBQ      $32, CX
	JGE       block32
	ADDQ      $32, CX
	VPMOVMSKB Y4, DX
	VZEROUPPER

short:
	MOVOU turns16<>(SB), X5
	MOVOU slants16<>(SB), X6
	MOVOU blanks16<>(SB), X7
	PXOR  X4, X4             // all bytes seen
	SUBQ  $16, CX            // what is left behind the block
	JLT   end

block:
	MOVOU    (DI), X0
	POR      X0, X4
	MOVO     X0, X1
	PCMPEQB  X6, X1
	PXOR     X5, X0
	MOVO     X0, X2
	PMINUB   X7, X2
	PCMPEQB  X0, X2
	POR      X2, X1
	PMOVMSKB X1, AX
	TESTL    AX, AX
	JNZ      found
	ADDQ     $16, DI
	SUBQ     $16, CX
	JGE      block
	JMP      end

found:
	BSFL AX, AX
	ADDQ AX, DI

end:
	PMOVMSKB X4, AX
	ORL      AX, DX
	SUBQ     SI, DI
	MOVQ     DI, n+16(FP)
	MOVQ     DX, high+24(FP)
	RET

found32:
	BSFL      AX, AX
	ADDQ      AX, DI
	VPMOVMSKB Y4, DX
	VZEROUPPER
	SUBQ      SI, DI
	MOVQ      DI, n+16(FP)
	MOVQ      DX, high+24(FP)
	RET
