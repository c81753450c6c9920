SELECT E'a\''
 --x
 --y

'b''c', U&'d''e' UESCAPE '!', b'0'
'1', 'x' --c
'y', "q"
