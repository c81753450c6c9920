SELECT n'a', N'b''c'
'd'