; A guest that writes a journal: sector 64 + (n mod 1024) of the first disk gets record n, and when the disk says that
; it has it, n goes out on the serial port as eight hexadecimal digits and a newline. An error is the line "E".
; A record is 128 words: the first is n, each next one is (the one before rotated left by 5) xor 0x9e3779b9, plus n.
; Runs as the boot sector of a floppy; the disk has no write cache, so what is acknowledged is flushed.
bits 16
org 0x7c00

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    sti

next:
    inc dword [number]
    mov di, buffer
    mov cx, 128
    mov eax, [number]
.fill:
    stosd
    rol eax, 5
    xor eax, 0x9e3779b9
    add eax, [number]
    loop .fill

    mov eax, [number]
    and eax, 1023
    add eax, 64
    mov [packet.sector], eax
    mov si, packet
    mov dl, 0x80
    mov ax, 0x4300          ; INT 13h extensions: write, without verification
    int 0x13
    jc failed

    mov ecx, 8
    mov ebx, [number]
.digit:
    rol ebx, 4
    mov al, bl
    and al, 15
    cmp al, 10
    jb .decimal
    add al, 'a' - 10 - '0'
.decimal:
    add al, '0'
    call send
    loop .digit
    mov al, 10
    call send
    jmp next

failed:
    mov al, 'E'
    call send
    mov al, 10
    call send
    dec dword [number]
    jmp next

; Sends AL on COM1 once the transmitter is empty.
send:
    push ax
    mov dx, 0x3fd
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    pop ax
    mov dx, 0x3f8
    out dx, al
    ret

number: dd 0

; Disk address packet of INT 13h, AH=43h.
packet:
    db 16, 0
    dw 1                    ; sectors
    dw buffer, 0            ; offset, segment
.sector:
    dq 0

times 510 - ($ - $$) db 0
    dw 0xaa55

buffer equ 0x8000
